;; Escapes text for a JSON string. text/json_escape.ts calls this module; dev/wasm/build.ts assembles it.
(module
  ;; The source may take the first 3 pages of 64 KiB, the target the next 7. The last vector of either may end in
  ;; the memory after its last byte.
  (memory (export "memory") 10)

  ;; Writes a hexadecimal digit.
  (func $digit (param $target i32) (param $value i32)
    (i32.store8 (local.get $target)
      (i32.add
        (i32.add (local.get $value) (i32.const 0x30))
        ;; From "9" + 1 to "a".
        (i32.mul (i32.gt_u (local.get $value) (i32.const 9)) (i32.const 0x27)))))

  ;; Writes the escape of a code unit: 6 bytes.
  (func $unicode (param $target i32) (param $unit i32)
    (i32.store16 (local.get $target) (i32.const 0x755c)) ;; "\u"
    (call $digit (i32.add (local.get $target) (i32.const 2)) (i32.shr_u (local.get $unit) (i32.const 12)))
    (call $digit (i32.add (local.get $target) (i32.const 3))
      (i32.and (i32.shr_u (local.get $unit) (i32.const 8)) (i32.const 15)))
    (call $digit (i32.add (local.get $target) (i32.const 4))
      (i32.and (i32.shr_u (local.get $unit) (i32.const 4)) (i32.const 15)))
    (call $digit (i32.add (local.get $target) (i32.const 5)) (i32.and (local.get $unit) (i32.const 15))))

  ;; Escapes valid UTF-8 without a partial character. Returns the end of the escaped text.
  (func $escape (export "escape") (param $source i32) (param $end i32) (param $target i32) (result i32)
    (local $bytes v128) (local $stops i32) (local $byte i32) (local $letter i32) (local $unit i32)
    (local $lastControl v128)
    (local $quote v128)
    (local $backslash v128)
    (local $delete v128)
    (local $arabic v128)
    (local $bit v128)
    (local $punctuation v128)
    (local.set $lastControl (i8x16.splat (i32.const 0x1f)))
    (local.set $quote (i8x16.splat (i32.const 0x22)))
    (local.set $backslash (i8x16.splat (i32.const 0x5c)))
    (local.set $delete (i8x16.splat (i32.const 0x7f)))
    (local.set $arabic (i8x16.splat (i32.const 0xd8)))
    (local.set $bit (i8x16.splat (i32.const 0x20)))
    (local.set $punctuation (i8x16.splat (i32.const 0xe2)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $source) (local.get $end)))
        (local.set $bytes (v128.load (local.get $source)))
        (v128.store (local.get $target) (local.get $bytes))
        ;; Bytes that are escaped, or that begin a character that may be.
        (local.set $stops (i8x16.bitmask
          (v128.or
            (v128.or
              (v128.or
                (i8x16.eq (i8x16.min_u (local.get $bytes) (local.get $lastControl)) (local.get $bytes))
                (i8x16.eq (local.get $bytes) (local.get $quote)))
              (v128.or
                (i8x16.eq (local.get $bytes) (local.get $backslash))
                (i8x16.eq (local.get $bytes) (local.get $delete))))
            (v128.or
              (i8x16.eq (local.get $bytes) (local.get $arabic))
              ;; 0xc2 and 0xe2
              (i8x16.eq
                (v128.or (local.get $bytes) (local.get $bit))
                (local.get $punctuation))))))
        (if (i32.eqz (local.get $stops))
          (then
            (local.set $source (i32.add (local.get $source) (i32.const 16)))
            (local.set $target (i32.add (local.get $target) (i32.const 16)))
            (br $next)))
        (local.set $stops (i32.ctz (local.get $stops)))
        (local.set $source (i32.add (local.get $source) (local.get $stops)))
        (local.set $target (i32.add (local.get $target) (local.get $stops)))
        (br_if $done (i32.ge_u (local.get $source) (local.get $end)))
        (local.set $byte (i32.load8_u (local.get $source)))
        (if (i32.lt_u (local.get $byte) (i32.const 0x80))
          (then
            (local.set $letter (local.get $byte)) ;; for the quotation mark and the backslash
            (if (i32.lt_u (local.get $byte) (i32.const 0x20))
              (then
                (local.set $letter (i32.const 0))
                (if (i32.lt_u (i32.sub (local.get $byte) (i32.const 8)) (i32.const 6))
                  (then
                    ;; "btn", none for the vertical tab, "fr"
                    (local.set $letter (i32.and
                      (i32.wrap_i64 (i64.shr_u
                        (i64.const 0x7266006e7462)
                        (i64.extend_i32_u (i32.shl (i32.sub (local.get $byte) (i32.const 8)) (i32.const 3)))))
                      (i32.const 0xff)))))))
            (if (i32.eq (local.get $byte) (i32.const 0x7f)) (then (local.set $letter (i32.const 0))))
            (local.set $source (i32.add (local.get $source) (i32.const 1)))
            (if (local.get $letter)
              (then
                (i32.store16 (local.get $target)
                  (i32.or (i32.shl (local.get $letter) (i32.const 8)) (i32.const 0x5c)))
                (local.set $target (i32.add (local.get $target) (i32.const 2))))
              (else
                (call $unicode (local.get $target) (local.get $byte))
                (local.set $target (i32.add (local.get $target) (i32.const 6)))))
            (br $next)))
        ;; The code unit of the character, without the bits that its first byte implies.
        (local.set $unit (i32.and (i32.load8_u (i32.add (local.get $source) (i32.const 1))) (i32.const 0x3f)))
        (if (i32.eq (local.get $byte) (i32.const 0xc2))
          (then
            ;; U+0080 to U+009F
            (if (i32.lt_u (local.get $unit) (i32.const 0x20))
              (then
                (call $unicode (local.get $target) (i32.or (local.get $unit) (i32.const 0x80)))
                (local.set $source (i32.add (local.get $source) (i32.const 2)))
                (local.set $target (i32.add (local.get $target) (i32.const 6)))
                (br $next)))))
        (if (i32.eq (local.get $byte) (i32.const 0xd8))
          (then
            ;; U+061C
            (if (i32.eq (local.get $unit) (i32.const 0x1c))
              (then
                (call $unicode (local.get $target) (i32.const 0x61c))
                (local.set $source (i32.add (local.get $source) (i32.const 2)))
                (local.set $target (i32.add (local.get $target) (i32.const 6)))
                (br $next)))))
        (if (i32.eq (local.get $byte) (i32.const 0xe2))
          (then
            (local.set $unit (i32.or
              (i32.shl (local.get $unit) (i32.const 6))
              (i32.and (i32.load8_u (i32.add (local.get $source) (i32.const 2))) (i32.const 0x3f))))
            ;; U+200E and U+200F, U+2028 to U+202E, U+2066 to U+2069
            (if
              (i32.or
                (i32.or
                  (i32.lt_u (i32.sub (local.get $unit) (i32.const 0x0e)) (i32.const 2))
                  (i32.lt_u (i32.sub (local.get $unit) (i32.const 0x28)) (i32.const 7)))
                (i32.lt_u (i32.sub (local.get $unit) (i32.const 0x66)) (i32.const 4)))
              (then
                (call $unicode (local.get $target) (i32.or (local.get $unit) (i32.const 0x2000)))
                (local.set $source (i32.add (local.get $source) (i32.const 3)))
                (local.set $target (i32.add (local.get $target) (i32.const 6)))
                (br $next)))))
        ;; The rest of the character cannot be mistaken for a first byte.
        (local.set $source (i32.add (local.get $source) (i32.const 1)))
        (local.set $target (i32.add (local.get $target) (i32.const 1)))
        (br $next)))
    ;; Without what the last vector copied from after the end.
    (i32.sub (local.get $target) (i32.sub (local.get $source) (local.get $end)))))
