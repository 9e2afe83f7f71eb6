;; Escapes text for a JSON string. text/json_escape.ts calls this module; dev/wasm/build.ts assembles it.
(module
  ;; 64 KiB for the table and the source, 1.5 MiB for the target, 64 KiB for what vectors write after its end.
  (memory (export "memory") 26)

  ;; Writes the escape of a code unit: 6 bytes.
  (func $unicode (param $target i32) (param $unit i32)
    (local $digits i32)
    (i32.store16 (local.get $target) (i32.const 0x755c)) ;; "\u"
    ;; A byte for each hexadecimal digit, the first one lowest.
    (local.set $digits
      (i32.or
        (i32.or
          (i32.shr_u (local.get $unit) (i32.const 12))
          (i32.and (local.get $unit) (i32.const 0xf00)))
        (i32.or
          (i32.shl (i32.and (local.get $unit) (i32.const 0xf0)) (i32.const 12))
          (i32.shl (i32.and (local.get $unit) (i32.const 0x0f)) (i32.const 24)))))
    (i32.store (i32.add (local.get $target) (i32.const 2))
      (i32.add
        (i32.add (local.get $digits) (i32.const 0x30303030))
        ;; From "9" + 1 to "a".
        (i32.mul
          (i32.and
            (i32.shr_u (i32.add (local.get $digits) (i32.const 0x06060606)) (i32.const 4))
            (i32.const 0x01010101))
          (i32.const 0x27)))))

  ;; Returns the first bytes of escaped characters that are not ASCII, as a mask.
  (func $escapedLeads (param $source i32) (result v128)
    (local $first v128) (local $second v128) (local $third v128) (local $offset v128)
    (local $later v128)
    (local.set $first (v128.load (local.get $source)))
    (local.set $second (v128.load (i32.add (local.get $source) (i32.const 1))))
    (local.set $third (v128.load (i32.add (local.get $source) (i32.const 2))))
    ;; After 0xe2: U+2066 to U+2069
    (local.set $offset (i8x16.sub (local.get $third) (i8x16.splat (i32.const 0xa6))))
    (local.set $later
      (v128.and
        (i8x16.eq (local.get $second) (i8x16.splat (i32.const 0x81)))
        (i8x16.eq (i8x16.min_u (local.get $offset) (i8x16.splat (i32.const 3))) (local.get $offset))))
    ;; U+200E and U+200F, U+2028 to U+202E
    (local.set $offset (i8x16.sub (local.get $third) (i8x16.splat (i32.const 0xa8))))
    (local.set $later
      (v128.or
        (local.get $later)
        (v128.and
          (i8x16.eq (local.get $second) (i8x16.splat (i32.const 0x80)))
          (v128.or
            (i8x16.eq (v128.and (local.get $third) (i8x16.splat (i32.const 0xfe))) (i8x16.splat (i32.const 0x8e)))
            (i8x16.eq (i8x16.min_u (local.get $offset) (i8x16.splat (i32.const 6))) (local.get $offset))))))
    (v128.or
      (v128.and (i8x16.eq (local.get $first) (i8x16.splat (i32.const 0xe2))) (local.get $later))
      (v128.or
        ;; U+0080 to U+009F
        (v128.and
          (i8x16.eq (local.get $first) (i8x16.splat (i32.const 0xc2)))
          (i8x16.eq (v128.and (local.get $second) (i8x16.splat (i32.const 0xe0))) (i8x16.splat (i32.const 0x80))))
        ;; U+061C
        (v128.and
          (i8x16.eq (local.get $first) (i8x16.splat (i32.const 0xd8)))
          (i8x16.eq (local.get $second) (i8x16.splat (i32.const 0x9c)))))))

  ;; Returns the code unit of a character of two or three bytes.
  (func $unitAt (param $source i32) (param $lead i32) (result i32)
    (local $unit i32)
    (local.set $unit (i32.and (i32.load8_u (i32.add (local.get $source) (i32.const 1))) (i32.const 0x3f)))
    (if (i32.lt_u (local.get $lead) (i32.const 0xe0))
      (then
        (local.set $unit
          (i32.or (i32.shl (i32.and (local.get $lead) (i32.const 0x1f)) (i32.const 6)) (local.get $unit))))
      (else
        (local.set $unit
          (i32.or
            (i32.shl
              (i32.or (i32.shl (i32.and (local.get $lead) (i32.const 0x0f)) (i32.const 6)) (local.get $unit))
              (i32.const 6))
            (i32.and (i32.load8_u (i32.add (local.get $source) (i32.const 2))) (i32.const 0x3f))))))
    (local.get $unit))

  ;; Escapes valid UTF-8 without a partial character. Overwrites 16 bytes after the end. Returns the end of the escaped
  ;; text. The table has 32 bytes for each set of the 8 bytes to which a backslash is added: the indexes of the bytes, 0x80 for
  ;; a backslash, and the backslashes.
  (func $escape (export "escape") (param $source i32) (param $end i32) (param $target i32) (param $table i32) (result i32)
    ;; The bits of the classes, by the low and the high digit of a byte. 1: control characters with a letter, 2: the
    ;; quotation mark, 4: the backslash, 8 and 16: other control characters, 32: the delete character, 64 and 128: first
    ;; bytes of characters that may be escaped.
    (local $lowDigits v128) (local $highDigits v128)
    ;; The difference of a letter and its control character.
    (local $letters v128)
    (local $digit v128) (local $backslashClasses v128) (local $unicodeClasses v128) (local $leadClasses v128)
    (local $otherClasses v128) (local $zero v128) (local $eight v128)
    (local $bytes v128) (local $classes v128)
    ;; The bytes to which a backslash is added, and the bytes that begin another escape, as bits.
    (local $backslashes i32) (local $unicode i32)
    ;; The number of bytes before the first of the other escapes.
    (local $length i32)
    (local $entry i32) (local $lead i32)
    ;; The number of vectors that are expanded without a search for escapes, because a branch that the processor
    ;; predicts wrongly takes longer.
    (local $unsearched i32)
    (local.set $lowDigits
      (v128.const i8x16 0x18 0x18 0x5a 0x18 0x18 0x18 0x18 0x18 0x91 0x11 0x11 0x18 0x15 0x11 0x18 0x38))
    (local.set $highDigits (v128.const i8x16 0x09 0x10 0x02 0 0 0x04 0 0x20 0 0 0 0 0x40 0x80 0x40 0))
    (local.set $letters (v128.const i8x16 0 0 0 0 0 0 0 0 0x5a 0x6b 0x64 0 0x5a 0x65 0 0)) ;; "btn", none, "fr"
    (local.set $digit (i8x16.splat (i32.const 0x0f)))
    (local.set $backslashClasses (i8x16.splat (i32.const 0x07)))
    (local.set $unicodeClasses (i8x16.splat (i32.const 0xf8)))
    (local.set $leadClasses (i8x16.splat (i32.const 0xc0)))
    (local.set $otherClasses (i8x16.splat (i32.const 0x3f)))
    (local.set $eight (i8x16.splat (i32.const 8)))
    (v128.store (local.get $end) (i8x16.splat (i32.const 0x78))) ;; letters, which need no escape
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $source) (local.get $end)))
        (local.set $bytes (v128.load (local.get $source)))
        (local.set $classes
          (v128.and
            (i8x16.swizzle (local.get $lowDigits) (v128.and (local.get $bytes) (local.get $digit)))
            (i8x16.swizzle (local.get $highDigits) (i8x16.shr_u (local.get $bytes) (i32.const 4)))))
        (if (local.get $unsearched)
          (then (local.set $unsearched (i32.sub (local.get $unsearched) (i32.const 1))))
          (else
            (if (v128.any_true (local.get $classes))
              (then (local.set $unsearched (i32.const 16)))
              (else
                (v128.store (local.get $target) (local.get $bytes))
                (local.set $source (i32.add (local.get $source) (i32.const 16)))
                (local.set $target (i32.add (local.get $target) (i32.const 16)))
                (br $next)))))
        (local.set $backslashes
          (i32.xor
            (i8x16.bitmask (i8x16.eq (v128.and (local.get $classes) (local.get $backslashClasses)) (local.get $zero)))
            (i32.const 0xffff)))
        (local.set $unicode (i32.const 0))
        (local.set $length (i32.const 16))
        (if (v128.any_true (v128.and (local.get $classes) (local.get $unicodeClasses)))
          (then
            (if (v128.any_true (v128.and (local.get $classes) (local.get $leadClasses)))
              (then
                (local.set $classes
                  (v128.or
                    (v128.and (local.get $classes) (local.get $otherClasses))
                    (v128.and (call $escapedLeads (local.get $source)) (local.get $leadClasses))))))
            (local.set $unicode
              (i32.xor
                (i8x16.bitmask (i8x16.eq (v128.and (local.get $classes) (local.get $unicodeClasses)) (local.get $zero)))
                (i32.const 0xffff)))
            (if (local.get $unicode)
              (then
                (local.set $length (i32.ctz (local.get $unicode)))
                (local.set $backslashes
                  (i32.and
                    (local.get $backslashes)
                    (i32.sub (i32.shl (i32.const 1) (local.get $length)) (i32.const 1))))))))
        (local.set $bytes (i8x16.add (local.get $bytes) (i8x16.swizzle (local.get $letters) (local.get $bytes))))
        (local.set $entry
          (i32.add
            (local.get $table)
            (i32.shl (i32.and (local.get $backslashes) (i32.const 0xff)) (i32.const 5))))
        (v128.store (local.get $target)
          (v128.or
            (i8x16.swizzle (local.get $bytes) (v128.load (local.get $entry)))
            (v128.load (i32.add (local.get $entry) (i32.const 16)))))
        (local.set $entry
          (i32.add (local.get $table) (i32.shl (i32.shr_u (local.get $backslashes) (i32.const 8)) (i32.const 5))))
        (v128.store
          (i32.add
            (i32.add (local.get $target) (i32.const 8))
            (i32.popcnt (i32.and (local.get $backslashes) (i32.const 0xff))))
          (v128.or
            (i8x16.swizzle (local.get $bytes) (i8x16.add (v128.load (local.get $entry)) (local.get $eight)))
            (v128.load (i32.add (local.get $entry) (i32.const 16)))))
        (local.set $source (i32.add (local.get $source) (local.get $length)))
        (local.set $target
          (i32.add (i32.add (local.get $target) (local.get $length)) (i32.popcnt (local.get $backslashes))))
        (br_if $next (i32.eqz (local.get $unicode)))
        (local.set $lead (i32.load8_u (local.get $source)))
        (if (i32.lt_u (local.get $lead) (i32.const 0x80))
          (then
            (call $unicode (local.get $target) (local.get $lead))
            (local.set $source (i32.add (local.get $source) (i32.const 1))))
          (else
            (call $unicode (local.get $target) (call $unitAt (local.get $source) (local.get $lead)))
            (local.set $source
              (i32.add
                (i32.add (local.get $source) (i32.const 2))
                (i32.ge_u (local.get $lead) (i32.const 0xe0))))))
        (local.set $target (i32.add (local.get $target) (i32.const 6)))
        (br $next)))
    ;; Without the letters that were copied from after the end.
    (i32.sub (local.get $target) (i32.sub (local.get $source) (local.get $end)))))
