/* System calls, and the few functions of a C library that the launcher needs. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

#define ENOENT 2
#define ESRCH 3
#define EINTR 4
#define ENOEXEC 8
#define EAGAIN 11
#define EACCES 13
#define EBUSY 16
#define EEXIST 17
#define ENOTDIR 20
#define EISDIR 21
#define EMFILE 24
#define ESHUTDOWN 108
#define ESTALE 116
#define ET_EXEC 2
#define ET_DYN 3
/* The major number of devices such as /dev/null. */
#define MEMORY_DEVICE 1
#define CLOCK_MONOTONIC 1
#define CLOCK_BOOTTIME 7

typedef void (*handler)(int);
#define DEFAULT_ACTION ((handler)0)
#define IGNORE_SIGNAL ((handler)1)

/* The kernel's `struct sigaction`. */
struct action {
  handler handler;
  u64 flags;
  void (*restorer)(void);
  u64 mask;
};
_Static_assert(sizeof(struct action) == 32, "as in the kernel");

#ifdef __x86_64__
#define ELF_MACHINE 62
static inline long call(long number, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

/* Runs a function in a new process that shares the memory, on its own stack. Returns once it has executed a program or ended. */
static long clone_and_wait(void (*function)(void *), void *argument, void *stack) {
  long result;
  register long r10 __asm__("r10") = 0;
  register long r8 __asm__("r8") = 0;
  register void (*r12)(void *) __asm__("r12") = function;
  register void *r13 __asm__("r13") = argument;
  __asm__ volatile("syscall\n\ttest %%rax, %%rax\n\tjnz 1f\n\txor %%ebp, %%ebp\n\tmov %%r13, %%rdi\n\tcall *%%r12\n\tud2\n1:"
                   : "=a"(result)
                   : "a"(__NR_clone), "D"(CLONE_VM | CLONE_VFORK | SIGCHLD), "S"(stack), "d"(0), "r"(r10), "r"(r8), "r"(r12),
                     "r"(r13)
                   : "rcx", "r11", "memory");
  return result;
}

void start_from_stack(long *stack);
__asm__(".globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall start_from_stack\n\tud2\n"
        ".globl return_from_signal\nreturn_from_signal:\n\tmov $15, %eax\n\tsyscall\n");
void return_from_signal(void);
#elif defined(__aarch64__)
#define ELF_MACHINE 183
static inline long call(long number, long a, long b, long c, long d, long e, long f) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
  return x0;
}

static long clone_and_wait(void (*function)(void *), void *argument, void *stack) {
  register long x8 __asm__("x8") = __NR_clone;
  register long x0 __asm__("x0") = CLONE_VM | CLONE_VFORK | SIGCHLD;
  register long x1 __asm__("x1") = (long)stack;
  register long x2 __asm__("x2") = 0;
  register long x3 __asm__("x3") = 0;
  register long x4 __asm__("x4") = 0;
  register void (*x19)(void *) __asm__("x19") = function;
  register void *x20 __asm__("x20") = argument;
  __asm__ volatile("svc 0\n\tcbnz x0, 1f\n\tmov x29, 0\n\tmov x0, x20\n\tblr x19\n\tbrk 1\n1:"
                   : "+r"(x0)
                   : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x19), "r"(x20)
                   : "x30", "memory");
  return x0;
}

void start_from_stack(long *stack);
__asm__(".globl _start\n_start:\n\tmov x29, 0\n\tmov x30, 0\n\tmov x0, sp\n\tand sp, x0, -16\n\tbl start_from_stack\n\tbrk 1\n");
#else
#error "This processor is not supported."
#endif

#define CALL(number, ...) CALL_(__NR_##number, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define CALL_(number, a, b, c, d, e, f, ...) \
  call(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static inline long read(int file, void *bytes, u64 length) { return CALL(read, file, bytes, length); }
static inline long read_at(int file, void *bytes, u64 length, u64 offset) {
  return CALL(pread64, file, bytes, length, offset);
}
static inline long write(int file, const void *bytes, u64 length) { return CALL(write, file, bytes, length); }
static inline long close(int file) { return CALL(close, file); }
static inline long open_at(int directory, const char *path, int flags, int mode) {
  return CALL(openat, directory, path, flags, mode);
}
static inline long open_file(const char *path, int flags, int mode) { return open_at(AT_FDCWD, path, flags, mode); }
static inline long change_directory(int directory) { return CALL(fchdir, directory); }
static inline long current_directory(char *path, u64 length) { return CALL(getcwd, path, length); }
static inline long unlink_file(const char *path) { return CALL(unlinkat, AT_FDCWD, path, 0); }
static inline long rename_to_new(const char *from, const char *to) {
  return CALL(renameat2, AT_FDCWD, from, AT_FDCWD, to, 1 /* RENAME_NOREPLACE */);
}
static inline long resize_file(int file, u64 size) { return CALL(ftruncate, file, size); }
static inline long set_lease(int file, int kind) { return CALL(fcntl, file, F_SETLEASE, kind); }
static inline long remove_directory(const char *path) { return CALL(unlinkat, AT_FDCWD, path, AT_REMOVEDIR); }
static inline long access_at(int directory, const char *path, int mode) { return CALL(faccessat, directory, path, mode); }
static inline long dup_onto(int file, int target) { return CALL(dup3, file, target, 0); }
static inline long open_pipe(int *ends, int flags) { return CALL(pipe2, ends, flags); }
static inline long set_flags(int file, int flags) { return CALL(fcntl, file, F_SETFL, flags); }
static inline long execve(const char *path, char **arguments, char **variables) {
  return CALL(execve, path, arguments, variables);
}
static inline long fork_process(void) { return CALL(clone, SIGCHLD); }
static inline long wait_for(int pid, int *status, int options, struct rusage *usage) {
  return CALL(wait4, pid, status, options, usage);
}
static inline long wait_without_reaping(int pid, siginfo_t *info) {
  return CALL(waitid, P_PID, pid, info, WEXITED | WNOHANG | WNOWAIT);
}
static inline long own_pid(void) { return CALL(getpid, 0); }
static inline long send_signal(int pid, int signal) { return CALL(kill, pid, signal); }
static inline void set_session(void) { CALL(setsid, 0); }
static inline void clock_gettime(int clock, struct __kernel_timespec *time) { CALL(clock_gettime, clock, time); }
static inline long poll_files(struct pollfd *files, int count, struct __kernel_timespec *timeout) {
  return CALL(ppoll, files, count, timeout, 0, 8);
}
static inline long open_events(void) { return CALL(epoll_create1, EPOLL_CLOEXEC); }
static inline long change_events(int events, int change, int file, struct epoll_event *event) {
  return CALL(epoll_ctl, events, change, file, event);
}
static inline long read_events(int events, struct epoll_event *found, int count) {
  return CALL(epoll_pwait, events, found, count, 0, 0, 8);
}
/* Returns a larger block of memory with the same contents, or 0. */
static inline void *enlarge_memory(void *block, u64 bytes, u64 new_bytes) {
  long result = block ? CALL(mremap, block, bytes, new_bytes, 1 /* MREMAP_MAYMOVE */)
                      : CALL(mmap, 0, new_bytes, 3 /* PROT_READ | PROT_WRITE */, 0x22 /* private, anonymous */, -1, 0);
  return result < 0 && result > -4096 ? 0 : (void *)result;
}
static inline void free_memory(void *block, u64 bytes) { CALL(munmap, block, bytes); }
static inline long open_signals(u64 mask) { return CALL(signalfd4, -1, &mask, 8, O_CLOEXEC | O_NONBLOCK); }
static inline long wait_for_signal(u64 mask, struct __kernel_timespec *timeout) {
  return CALL(rt_sigtimedwait, &mask, 0, timeout, 8);
}
static inline void set_mask(u64 mask) { CALL(rt_sigprocmask, SIG_SETMASK, &mask, 0, 8); }
static inline void get_mask(u64 *mask) { CALL(rt_sigprocmask, SIG_SETMASK, 0, mask, 8); }
static inline void get_action(int signal, struct action *action) { CALL(rt_sigaction, signal, 0, action, 8); }
static void set_handler(int signal, handler handler) {
  struct action action = {.handler = handler};
#ifdef __x86_64__
  action.flags = 0x04000000; /* SA_RESTORER */
  action.restorer = return_from_signal;
#endif
  CALL(rt_sigaction, signal, &action, 0, 8);
}
static inline void end_with_parent(void) { CALL(prctl, PR_SET_PDEATHSIG, SIGKILL); }
__attribute__((noreturn)) static void exit_now(int status) {
  for (;;) CALL(exit_group, status);
}

#ifdef __x86_64__
/* The kernel's `struct stat`, whose layout depends on the processor. */
struct stat {
  u64 st_dev, st_ino, st_nlink;
  u32 st_mode, st_uid, st_gid, padding;
  u64 st_rdev;
  long st_size;
  long rest[11];
};
_Static_assert(sizeof(struct stat) == 144, "as in the kernel");
#else
struct stat {
  u64 st_dev, st_ino;
  u32 st_mode, st_nlink, st_uid, st_gid;
  u64 st_rdev, padding;
  long st_size;
  long rest[9];
};
_Static_assert(sizeof(struct stat) == 128, "as in the kernel");
#endif
static inline long status_of(int file, struct stat *status) { return CALL(fstat, file, status); }
static inline long status_at(int directory, const char *path, struct stat *status, int flags) {
  return CALL(newfstatat, directory, path, status, flags);
}

void *memcpy(void *target, const void *source, u64 length) {
  u8 *to = target;
  const u8 *from = source;
  while (length-- > 0) *to++ = *from++;
  return target;
}
void *memset(void *target, int value, u64 length) {
  u8 *to = target;
  while (length-- > 0) *to++ = (u8)value;
  return target;
}
static void copy(void *target, const void *source, u64 length) { memcpy(target, source, length); }
/* Moves bytes to an earlier place. */
static void move(char *target, const char *source, u64 length) { memcpy(target, source, length); }
static u64 text_length(const char *text) {
  u64 length = 0;
  while (text[length]) length++;
  return length;
}
static int is_prefix(const char *prefix, u64 length, const char *text) {
  for (u64 i = 0; i < length; i++) if (prefix[i] != text[i] || !prefix[i]) return 0;
  return 1;
}
static int has_slash(const char *text) {
  for (; *text; text++) if (*text == '/') return 1;
  return 0;
}

int main(int count, char **arguments, char **variables);
void start_from_stack(long *stack) {
  int count = (int)stack[0];
  char **arguments = (char **)(stack + 1);
  exit_now(main(count, arguments, arguments + count + 1));
}
