/* Starts programs and shells for the shell executor; docs/launcher_protocol.md describes the messages.
 *
 * The first process, the router, passes commands on to one process for each slot, the starters, and their reports back. A
 * starter runs one task after another: it opens the outputs, starts the programs without copying its own memory, waits for
 * their ends, and reports the status with short outputs. The router also starts shells, passes scripts on to them, and
 * passes on what they report, with short outputs. Uses no library, so the program is small and runs on any Linux.
 */
#include <asm/unistd.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <linux/poll.h>
#include <linux/prctl.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/signal.h>
#include <linux/stat.h>
#include <linux/time.h>
#include <linux/wait.h>
#include "system.h"

/* The limit of a message, which a pipe passes as a whole. */
#define MESSAGE_BYTES 4096
#define SECRET_BYTES 16
#define MAX_STARTERS 4096
#define MAX_VARIABLES 8192
#define MAX_PROGRAMS 64
/* The longest time for which a report waits for others, in nanoseconds. */
#define MAX_DELAY_NS 4000000
/* The longest time for which other bytes from the channel of a shell wait, in nanoseconds. */
#define NOTICE_DELAY_NS 1000000
#define BUFFER_BYTES (64 * 1024)
#define PATH_BYTES (2 * MESSAGE_BYTES)
/* The length of the token of a shell with a NUL. */
#define TOKEN_BYTES 25
/* The longest paths of the outputs of a script; longer outputs stay in their files. */
#define PATHS_BYTES 480
/* The longest part of a channel to keep for a report. */
#define CHANNEL_BYTES 2048
/* The limit of reads from the channel of a shell that has ended: more than a full pipe needs. */
#define MAX_LAST_READS 256
#define IN_FILE 0xffffffffu

enum { COMMANDS = 0, REPORTS = 1 };
enum command_kind { SECRET, OPEN, RUN, CLOSE, OPEN_SHELL, SCRIPT };
enum report_kind { READY, OPENED, BEGUN, ENDED, UNOPENED, UNSTARTED, DIED, CHANNEL, REPORTED };
enum run_flag { REPORTS_BEGIN = 1, IS_QUEUED = 2, KEEPS_FILES = 4 };

struct command {
  u32 bytes, starter, kind, number;
  union {
    char secret[SECRET_BYTES];
    struct {
      u32 flags, part_count, variable_count;
      /*
       * The paths of standard input, output and error, the directory, the shell, the parts of the programs, and the
       * variables, each with a NUL.
       */
      char text[];
    } run;
    struct {
      u32 variable_count;
      /* The token, the shell, and the variables, each with a NUL. */
      char text[];
    } open_shell;
    struct {
      /* The number of the last script whose report the runner has read. */
      u32 settled;
      u32 script_bytes;
      /* The paths of the outputs, each with a NUL and perhaps empty, and the script. */
      char text[];
    } script;
  };
};
#define COMMAND_HEADER_BYTES 16
#define RUN_HEADER_BYTES 28
#define SCRIPT_HEADER_BYTES 24

struct report {
  u32 bytes, starter, kind, number;
  char secret[SECRET_BYTES];
  union {
    u32 value;
    u64 uptime_ns;
    struct {
      u64 duration_ns, user_us, system_us;
      u32 status, stdout_bytes, stderr_bytes;
      char outputs[];
    } ended;
    struct {
      u64 duration_ns;
      u32 channel_bytes, stdout_bytes, stderr_bytes;
      char text[];
    } reported;
  };
};
#define REPORT_HEADER_BYTES 32
#define ENDED_HEADER_BYTES 68
#define REPORTED_HEADER_BYTES 52

union message {
  struct command command;
  struct report report;
  char bytes[MESSAGE_BYTES];
};

/* A starter or a shell of a slot, as the router knows it. */
struct starter {
  int pid;
  /* The pipe for commands or scripts; 0 when there is none. */
  int commands;
  int is_shell;
  /* The number of programs or scripts without a report of their end. */
  u32 running;
};

/* Signals that a program may send to its process group, which includes its starter. */
static const u8 CAUGHT[] = {1, 2, 3, 10, 12, 13, 14, 15, 29};
#define CAUGHT_COUNT (sizeof CAUGHT)

static char secret[SECRET_BYTES];
static u32 runner_pid;
static u64 original_mask;
static u64 caught_mask;
static char **environment;
static int null_device, empty_input;

static u64 now_ns(int clock) {
  struct __kernel_timespec time;
  clock_gettime(clock, &time);
  return (u64)time.tv_sec * 1000000000u + time.tv_nsec;
}

static int write_all(int file, const char *bytes, u64 length) {
  while (length > 0) {
    long written = write(file, bytes, length);
    if (written == -EINTR) continue;
    if (written == -EAGAIN) {
      struct pollfd space = {file, POLLOUT, 0};
      poll_files(&space, 1, 0);
      continue;
    }
    if (written < 0) return 0;
    bytes += written;
    length -= written;
  }
  return 1;
}

static u64 mask_of(int signal) { return 1ul << (signal - 1); }

static void ignore(int signal) { (void)signal; }

/* Catches signals instead of ignoring them, because programs inherit ignored signals. */
static void catch_signals(void) {
  for (u32 i = 0; i < CAUGHT_COUNT; i++) {
    struct action action;
    get_action(CAUGHT[i], &action);
    if (action.handler == IGNORE_SIGNAL) continue;
    caught_mask |= mask_of(CAUGHT[i]);
    set_handler(CAUGHT[i], ignore);
  }
}

/* ---- The starter ---- */

static u32 own_index;
static int reports;
static union message command;
static u64 command_bytes;
/* True after a program that could not start, which the runner handles before the programs that wait behind it. */
static u32 is_holding;
/* True when programs have survived the signal that ended their task: the starter then runs no further tasks. */
static u32 is_leaving;

static void send_report(union message *message, u32 kind, u32 number, u32 bytes) {
  message->report.bytes = bytes;
  message->report.starter = own_index;
  message->report.kind = kind;
  message->report.number = number;
  copy(message->report.secret, secret, SECRET_BYTES);
  if (!write_all(reports, message->bytes, bytes)) exit_now(1);
}

static void report_value(u32 kind, u32 number, u32 value) {
  union message message;
  message.report.value = value;
  send_report(&message, kind, number, REPORT_HEADER_BYTES + 4);
}

/* A program of a task. A task has several when they are connected with pipes. */
struct program {
  /* Both lists end with 0. A redirection is a descriptor, an operator, and a path or another descriptor. */
  char **arguments, **redirections;
  /* The path of the program; 0 to search the directories of PATH. */
  const char *path;
  int input, output;
  /* 0 before the start. */
  int pid, has_ended;
};

static struct program programs[MAX_PROGRAMS];
static u32 program_count;

struct start {
  struct program *program;
  char **variables;
  int error;
  /* The directory in which the program starts; negative for that of the starter. */
  int directory;
  /* True for a program that leads a session of its own. */
  int is_leader;
  /* The error that prevented the start of the program, or 0. */
  volatile int problem;
  /* True when a redirection may have created or emptied a file. */
  volatile int has_written;
};

/* The variable with the path of the directory in which the program starts. */
static char directory_variable[PATH_BYTES];
static const char PWD[] = "PWD=";
#define PWD_LENGTH 4

static char *value_of(char **variables, const char *name) {
  u64 length = text_length(name);
  for (; *variables; variables++) {
    if (is_prefix(name, length, *variables) && (*variables)[length] == '=') return *variables + length + 1;
  }
  return 0;
}

/* Joins the first of the directories and a name; the path is empty if it is too long. Returns the rest, or 0 for the last. */
static const char *next_path(const char *directories, const char *name, char *path) {
  u64 length = 0, name_length = text_length(name);
  while (directories[length] && directories[length] != ':') length++;
  char *end = path;
  if (length + name_length + 2 <= PATH_BYTES) {
    copy(end, directories, length);
    end += length;
    if (length > 0) *end++ = '/';
    copy(end, name, name_length);
    end += name_length;
  }
  *end = 0;
  return directories[length] ? directories + length + 1 : 0;
}

/* Tries the directories of PATH in turn, as shells do. Returns only when no program can start. */
static int execute(struct program *program, char **variables) {
  char **arguments = program->arguments;
  char *name = arguments[0];
  if (program->path || has_slash(name)) return execve(program->path ? program->path : name, arguments, variables);
  char path[PATH_BYTES];
  const char *directories = name[0] ? value_of(variables, "PATH") : 0;
  int problem = -ENOENT;
  while (directories) {
    directories = next_path(directories, name, path);
    if (!path[0]) continue;
    long found = access_at(AT_FDCWD, path, 1);
    if (found == 0) found = execve(path, arguments, variables);
    if (found != -ENOENT && found != -ENOTDIR) problem = (int)found;
    if (found != -ENOENT && found != -ENOTDIR && found != -EACCES) return problem;
  }
  return problem;
}

/* Enters a directory as `cd -P` does. Returns 0 or a negative error. */
static int enter(int directory) {
  if (directory < 0) return 0;
  char *path = directory_variable + PWD_LENGTH;
  long problem = change_directory(directory);
  if (problem == 0) problem = current_directory(path, PATH_BYTES - PWD_LENGTH);
  if (problem < 0) return (int)problem;
  copy(directory_variable, PWD, PWD_LENGTH);
  return path[0] == '/' ? 0 : -ENOENT; /* else the directory is not reachable */
}

enum { READS = '<', WRITES = '>', APPENDS = '+', COPIES = '&' };

/* Performs redirections in turn. Returns 0 or a negative error. */
static int redirect(struct start *start) {
  for (char **redirections = start->program->redirections; *redirections; redirections++) {
    char *path = *redirections + 2;
    int target = (*redirections)[0] - '0', operator = (*redirections)[1];
    int flags = operator == READS ? O_RDONLY : O_WRONLY | O_CREAT | (operator == APPENDS ? O_APPEND : O_TRUNC);
    int file = operator == COPIES ? path[0] - '0' : (int)open_file(path, flags | O_CLOEXEC, 0666);
    if (file < 0) return file;
    if (operator == WRITES || operator == APPENDS) start->has_written = 1;
    if (file != target && dup_onto(file, target) < 0) return -EMFILE;
  }
  return 0;
}

/* Runs in the memory of the starter, which waits. */
static void begin_program(void *argument) {
  struct start *start = argument;
  struct program *program = start->program;
  for (u32 i = 0; i < CAUGHT_COUNT; i++) {
    if (caught_mask & mask_of(CAUGHT[i])) set_handler(CAUGHT[i], DEFAULT_ACTION);
  }
  set_mask(original_mask);
  if (start->is_leader) set_session();
  int problem = 0;
  if (dup_onto(program->input, 0) < 0 || dup_onto(program->output, 1) < 0 || dup_onto(start->error, 2) < 0) {
    problem = -EMFILE;
  }
  if (problem == 0) problem = enter(start->directory);
  if (problem == 0) problem = redirect(start);
  start->problem = problem == 0 ? execute(program, start->variables) : problem;
  exit_now(127);
}

static char stack[64 * 1024] __attribute__((aligned(16)));

/* Returns the pid of the program, or a negative error. */
static int start_program(struct start *start) {
  u64 mask;
  start->problem = start->has_written = 0;
  get_mask(&mask);
  set_mask(~0ul);
  int pid = (int)clone_and_wait(begin_program, start, stack + sizeof stack);
  set_mask(mask);
  if (pid >= 0 && start->problem != 0) {
    while (wait_for(pid, 0, 0, 0) == -EINTR) {}
    return start->problem;
  }
  return pid;
}

static void set_flag(void *flag) {
  *(volatile int *)flag = 1;
  exit_now(0);
}

/* Returns whether a new process can share the memory of this one: an emulator may copy the memory instead. */
static int shares_memory(void) {
  volatile int flag = 0;
  int pid = (int)clone_and_wait(set_flag, (void *)&flag, stack + sizeof stack);
  while (pid >= 0 && wait_for(pid, 0, 0, 0) == -EINTR) {}
  return flag;
}

/*
 * Returns the variables of the starter and the program; those of the program replace others of the same name. Shells
 * export the path of the directory that they enter, if they have exported that of the first one.
 */
static char **merged_variables(char *text, u32 count, int directory) {
  static char *merged[MAX_VARIABLES + MESSAGE_BYTES];
  u32 total = 0;
  for (; environment[total]; total++) {
    int is_directory = directory >= 0 && is_prefix(PWD, PWD_LENGTH, environment[total]);
    merged[total] = is_directory ? directory_variable : environment[total];
  }
  for (; count > 0; count--, text += text_length(text) + 1) {
    u32 length = 0;
    while (text[length] && text[length] != '=') length++;
    u32 index = 0;
    while (index < total && !is_prefix(text, length + 1, merged[index])) index++;
    merged[index] = text;
    if (index == total) total++;
  }
  merged[total] = 0;
  return merged;
}

/* ---- The files for outputs ----
 *
 * A file is used again for the next program, because creating and removing files is slow on some file systems. A lease
 * proves that no process of an earlier program can write to it. Until the next program, the file keeps its name, which
 * shows the runner that the program has begun.
 */
static struct output {
  /* Reads the file; negative when there is none. */
  int reader;
  /* Writes the file while a program runs. */
  int writer;
  u64 inode;
  /* The path of the file; empty when the runner removes the file, or when there is none. */
  char path[MESSAGE_BYTES];
} outputs[2];

static void forget(struct output *output) {
  if (output->reader >= 0) close(output->reader);
  output->reader = -1;
  output->path[0] = 0;
}

static int open_same(struct output *output, const char *path, int flags) {
  struct stat status;
  /* A task may have put a link or a FIFO in its place. */
  int file = (int)open_file(path, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0);
  if (file < 0) return file;
  if (status_of(file, &status) == 0 && status.st_ino == output->inode && set_flags(file, flags) == 0) return file;
  close(file);
  return -ESTALE;
}

/* Gives the output a new name, which must not exist. Returns 0 or a negative error. */
static int open_output(struct output *output, const char *path) {
  struct stat status;
  if (output->reader >= 0 && rename_to_new(output->path, path) == 0) {
    output->writer = open_same(output, path, O_WRONLY | O_APPEND);
    if (output->writer >= 0) return 0;
    unlink_file(path);
  } else if (output->path[0]) unlink_file(output->path);
  forget(output);
  output->writer = (int)open_file(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
  if (output->writer < 0) return output->writer;
  output->inode = status_of(output->writer, &status) == 0 ? status.st_ino : 0;
  return 0;
}

/* Opens the reader, if it is not open yet. Returns whether it is open. */
static int open_reader(struct output *output, const char *path) {
  if (output->reader < 0) output->reader = open_same(output, path, O_RDONLY);
  return output->reader >= 0;
}

/* Returns whether the next program can use the file: no other process has the file open. */
static int is_reusable(struct output *output, const char *path) {
  if (!open_reader(output, path)) return 0;
  return set_lease(output->reader, F_WRLCK) == 0 && set_lease(output->reader, F_UNLCK) == 0;
}

/* Ends the use of an output that the report contains. The file keeps its name until the next program. */
static void close_output(struct output *output, const char *path, u64 written) {
  if (written > 0) resize_file(output->writer, 0);
  close(output->writer);
  if (!is_reusable(output, path)) forget(output);
  copy(output->path, path, text_length(path) + 1);
}

/* Removes the files and their directory, in which only outputs remain that the runner still reads. */
static void remove_outputs(void) {
  for (u32 i = 0; i < 2; i++) {
    char *path = outputs[i].path;
    if (!path[0]) continue;
    unlink_file(path);
    u64 length = text_length(path);
    while (length > 0 && path[length - 1] != '/') length--;
    path[length] = 0;
    remove_directory(path);
  }
}

/* Copies an output into a report, if it fits and its file has its name and no other. Returns the length or IN_FILE. */
static u32 copy_output(struct output *output, const char *path, char *target, u64 space) {
  struct stat found;
  if (status_at(AT_FDCWD, path, &found, AT_SYMLINK_NOFOLLOW) < 0 || found.st_ino != output->inode || found.st_nlink != 1) return IN_FILE;
  if ((u64)found.st_size > space) return IN_FILE;
  if (found.st_size == 0) return 0;
  if (!open_reader(output, path)) return IN_FILE;
  return read_at(output->reader, target, found.st_size, 0) == found.st_size ? (u32)found.st_size : IN_FILE;
}

/* ---- The programs of a task ---- */

/* Reads parts of programs: arguments after a space, redirections, and separators. Returns the text after them. */
static char *read_programs(char *text, u32 count) {
  static char *arguments[MESSAGE_BYTES], *redirections[MESSAGE_BYTES];
  char **argument = arguments, **redirection = redirections;
  for (program_count = 0;; count--, text += 2) {
    if (program_count == MAX_PROGRAMS) exit_now(2);
    programs[program_count++] = (struct program){.arguments = argument, .redirections = redirection};
    for (; count > 0 && *text != '|'; count--, text += text_length(text) + 1) {
      if (*text == ' ') *argument++ = text + 1;
      else *redirection++ = text;
    }
    *argument++ = *redirection++ = 0;
    if (count == 0) return text;
  }
}

/* Returns whether the kernel can execute a file, as far as its first bytes tell. A shell runs some other files itself. */
static int is_executable(int directory, const char *path) {
  struct {
    u8 identity[16];
    u16 type, machine;
  } header = {0};
  struct stat status;
  if (access_at(directory, path, 1) < 0) return 0;
  if (status_at(directory, path, &status, 0) < 0 || (status.st_mode & S_IFMT) != S_IFREG) return 0;
  int file = (int)open_at(directory, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);
  if (file < 0) return 0;
  long length = read(file, &header, sizeof header);
  close(file);
  if (length > 2 && header.identity[0] == '#' && header.identity[1] == '!') return 1;
  return length == sizeof header && is_prefix("\177ELF\2", 5, (char *)header.identity) && header.machine == ELF_MACHINE &&
         (header.type == ET_EXEC || header.type == ET_DYN);
}

/* Finds a program in a directory of PATH. Returns whether the program can certainly be executed. */
static int find_program(struct program *program, char **variables, int directory, char **space, u64 *space_left) {
  const char *name = program->arguments[0];
  if (has_slash(name)) return is_executable(directory, name);
  const char *directories = value_of(variables, "PATH");
  for (const char *text = directories; text && *text; text++) if (*text == '%') return 0; /* special in some shells */
  while (directories) {
    char path[PATH_BYTES];
    directories = next_path(directories, name, path);
    u64 length = text_length(path) + 1;
    if (length == 1 || access_at(directory, path, 1) < 0) continue;
    if (length > *space_left || !is_executable(directory, path)) return 0;
    program->path = *space;
    copy(*space, path, length);
    *space += length;
    *space_left -= length;
    return 1;
  }
  return 0;
}

/* Returns whether opening a file does not block: the file is new, regular, or a device such as /dev/null. */
static int opens_at_once(int directory, char *redirection) {
  struct stat status;
  int operator = redirection[1];
  if (operator == COPIES) return 1;
  if (status_at(directory, redirection + 2, &status, 0) < 0) return operator != READS;
  int kind = status.st_mode & S_IFMT;
  return kind == S_IFREG || (kind == S_IFCHR && status.st_rdev >> 8 == MEMORY_DEVICE);
}

/*
 * Returns whether the programs can start, as far as that is known beforehand. Once one of them has begun, the task
 * cannot be refused: its programs would run twice.
 */
static int can_start(char **variables, int directory) {
  static char space[MAX_PROGRAMS * 256];
  char *next = space;
  u64 space_left = sizeof space;
  for (struct program *program = programs; program < programs + program_count; program++) {
    int needs_certainty = program_count > 1 || *program->redirections;
    if (needs_certainty && !find_program(program, variables, directory, &next, &space_left)) return 0;
    for (char **redirection = program->redirections; *redirection; redirection++) {
      if (!opens_at_once(directory, *redirection)) return 0;
    }
  }
  return 1;
}

static void close_pipes(u32 index) {
  if (index > 0) close(programs[index].input);
  if (index + 1 < program_count) close(programs[index].output);
}

/* Connects the programs with pipes. Returns 0 or a negative error. */
static int connect_programs(int input, int output) {
  programs[0].input = input;
  programs[program_count - 1].output = output;
  for (u32 i = 0; i + 1 < program_count; i++) {
    int ends[2];
    int problem = (int)open_pipe(ends, O_CLOEXEC);
    if (problem < 0) {
      for (; i > 0; i--) {
        close(programs[i].input);
        close(programs[i - 1].output);
      }
      return problem;
    }
    programs[i].output = ends[1];
    programs[i + 1].input = ends[0];
  }
  return 0;
}

/* Appends a text in quotes. Returns the end. */
static char *quote(char *end, const char *text) {
  *end++ = '\'';
  for (; *text; text++) {
    if (*text == '\'') {
      copy(end, "'\\'", 3);
      end += 3;
    }
    *end++ = *text;
  }
  *end++ = '\'';
  return end;
}

/* Starts a shell in place of a program that has just become unusable: the shell prints its message. */
static int start_in_shell(struct start *start, char *shell) {
  static char text[4 * MESSAGE_BYTES];
  char *end = text;
  for (char **argument = start->program->arguments; *argument; argument++) {
    end = quote(end, *argument);
    *end++ = ' ';
  }
  for (char **redirection = start->program->redirections; *redirection; redirection++) {
    char *part = *redirection;
    *end++ = part[0];
    *end++ = part[1] == READS ? '<' : '>';
    if (part[1] == APPENDS || part[1] == COPIES) *end++ = part[1] == APPENDS ? '>' : '&';
    if (part[1] == COPIES) *end++ = part[2];
    else end = quote(end, part + 2);
    *end++ = ' ';
  }
  *end = 0;
  char *arguments[] = {shell, "-c", "--", text, shell, 0}, *none[] = {0};
  struct program *program = start->program;
  struct program substitute = {arguments, none, 0, program->input, program->output, 0, 0};
  start->program = &substitute;
  int pid = start_program(start);
  start->program = program;
  return pid;
}

#define CORE_DUMPED 0x80
/* The parts of a status as from `wait`. */
static int signal_of(int status) { return status & 0x7f; }
static int status_of_exit(int code) { return code << 8; }

/* The number of programs that have not ended. */
static u32 running;
/* The signal that ended the task, or 0. */
static int killed_by;

static void print(const char *begin, const char *end) {
  char text[2 * MESSAGE_BYTES];
  u64 length = text_length(begin), end_length = text_length(end);
  copy(text, begin, length);
  copy(text + length, end, end_length);
  write_all(outputs[1].writer, text, length + end_length);
}

/*
 * Notes a signal to the process group, which would end a shell that waits for the programs. The signals are blocked while
 * there are several programs.
 */
static void check_signals(void) {
  struct __kernel_timespec none = {0, 0};
  int signal = program_count > 1 ? (int)wait_for_signal(caught_mask, &none) : 0;
  if (signal > 0) killed_by = signal;
}

static void block_signals(u64 signals) {
  set_mask(original_mask | signals);
}

/* Starts the programs of a task. Returns 0, or a negative error when none has begun. */
static int start_programs(struct start *start, char *shell) {
  int problem = 0;
  running = 0;
  killed_by = 0;
  if (program_count > 1) block_signals(caught_mask | mask_of(SIGCHLD));
  u32 index = 0;
  for (; index < program_count && killed_by == 0; index++) {
    start->program = &programs[index];
    int pid = start_program(start);
    int has_begun = index > 0 || start->has_written;
    if (pid < 0 && has_begun && start->problem != 0) pid = start_in_shell(start, shell);
    if (pid < 0) {
      if (index == 0) problem = pid;
      else print(shell, ": 1: Cannot fork\n");
      break;
    }
    programs[index].pid = pid;
    running++;
    close_pipes(index);
    check_signals();
    if (killed_by != 0) send_signal(pid, killed_by); /* the signal may have preceded the program */
  }
  for (; index < program_count; index++) close_pipes(index);
  return problem;
}

static const char SIGNAL_NAMES[] =
    "Hangup\0Interrupt\0Quit\0Illegal instruction\0Trace/breakpoint trap\0Aborted\0Bus error\0Floating point exception\0"
    "Killed\0User defined signal 1\0Segmentation fault\0User defined signal 2\0Broken pipe\0Alarm clock\0Terminated\0"
    "Stack fault\0Child exited\0Continued\0Stopped (signal)\0Stopped\0Stopped (tty input)\0Stopped (tty output)\0"
    "Urgent I/O condition\0CPU time limit exceeded\0File size limit exceeded\0Virtual timer expired\0"
    "Profiling timer expired\0Window changed\0I/O possible\0Power failure\0Bad system call";
#define LAST_NAMED_SIGNAL 31
#define FIRST_REAL_TIME_SIGNAL 34

/* Prints what dash prints about the end of a program in a pipeline. */
static void print_end(int status) {
  int signal = signal_of(status);
  if (signal == 0 || signal == SIGINT || signal == SIGPIPE) return;
  const char *end = status & CORE_DUMPED ? " (core dumped)\n" : "\n";
  const char *name = SIGNAL_NAMES;
  for (int i = 1; signal <= LAST_NAMED_SIGNAL && i < signal; i++) name += text_length(name) + 1;
  if (signal <= LAST_NAMED_SIGNAL) return print(name, end);
  int is_real_time = signal >= FIRST_REAL_TIME_SIGNAL;
  int number = is_real_time ? signal - FIRST_REAL_TIME_SIGNAL : signal;
  char digits[] = {(char)('0' + number / 10), (char)('0' + number % 10), 0};
  char text[32];
  const char *kind = is_real_time ? "Real-time signal " : "Unknown signal ";
  u64 length = text_length(kind);
  copy(text, kind, length);
  copy(text + length, digits + (number < 10), sizeof digits - (number < 10));
  print(text, end);
}

/* The end of a task. */
struct ending {
  /* As from `wait`. */
  int status;
  u64 user_us, system_us;
};

static void add_usage(struct ending *ending, const struct rusage *usage) {
  ending->user_us += usage->ru_utime.tv_sec * 1000000ul + usage->ru_utime.tv_usec;
  ending->system_us += usage->ru_stime.tv_sec * 1000000ul + usage->ru_stime.tv_usec;
}

/* Returns whether a program has ended, and its status as from `wait`. The process remains. */
static int has_ended(int pid, int *status) {
  siginfo_t info;
  info.si_pid = 0;
  if (wait_without_reaping(pid, &info) < 0 || info.si_pid == 0) return 0;
  *status = info.si_code == CLD_EXITED ? status_of_exit(info.si_status) : info.si_status;
  if (info.si_code == CLD_DUMPED) *status |= CORE_DUMPED;
  return 1;
}

/* Handles programs that have ended, in their order. */
static void handle_ends(struct ending *ending) {
  for (u32 i = 0; i < program_count && killed_by == 0; i++) {
    struct program *program = &programs[i];
    int status;
    if (program->pid == 0 || program->has_ended || !has_ended(program->pid, &status)) continue;
    check_signals(); /* a signal to the group precedes the ends that it causes */
    if (killed_by != 0) return;
    program->has_ended = 1;
    running--;
    print_end(status);
    int signal = signal_of(status);
    if (i == program_count - 1) ending->status = signal ? status_of_exit(128 + signal) : status;
  }
}

/* Reaps the programs that have ended. */
static void reap_programs(struct ending *ending) {
  running = 0;
  for (u32 i = 0; i < program_count; i++) {
    struct rusage usage;
    if (programs[i].pid == 0) continue;
    if (wait_for(programs[i].pid, 0, WNOHANG, &usage) > 0) add_usage(ending, &usage);
    else running++;
  }
}

/*
 * Waits for a pipeline as dash does: for all of its programs, unless a signal ends the shell. Programs are reaped last, because
 * the age of the first one tells the runner which processes of the group are of this task.
 */
static void wait_for_pipeline(struct ending *ending) {
  for (;;) {
    handle_ends(ending);
    if (running == 0 || killed_by != 0) break;
    int signal = (int)wait_for_signal(caught_mask | mask_of(SIGCHLD), 0);
    if (signal > 0 && signal != SIGCHLD) killed_by = signal;
  }
  if (killed_by != 0) ending->status = killed_by;
  reap_programs(ending);
  block_signals(0);
}

static void wait_for_programs(struct ending *ending) {
  struct rusage usage;
  if (program_count > 1) return wait_for_pipeline(ending);
  while (wait_for(programs[0].pid, &ending->status, 0, &usage) == -EINTR) {}
  add_usage(ending, &usage);
  running = 0;
}

/* The paths of a task, and the shell that it would run in. */
struct paths {
  char *input, *output, *error, *directory, *shell;
};

static char *next_text(char **text) {
  char *begin = *text;
  *text += text_length(begin) + 1;
  return begin;
}

/* Starts the programs of a task, whose outputs are open. Returns 0 or a negative error. */
static int start_task(struct paths *paths, char *variables, u32 variable_count) {
  int input = paths->input[0] ? (int)open_file(paths->input, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0) : empty_input;
  if (input < 0) return input;
  int directory = AT_FDCWD, problem = 0;
  if (paths->directory[0]) directory = problem = (int)open_file(paths->directory, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
  if (problem >= 0) {
    struct start start = {0, merged_variables(variables, variable_count, directory), outputs[1].writer, directory, 0, 0, 0};
    problem = can_start(start.variables, directory) ? connect_programs(input, outputs[0].writer) : -ENOEXEC;
    if (problem == 0) problem = start_programs(&start, paths->shell);
  }
  if (directory >= 0) close(directory);
  if (input != empty_input) close(input);
  return problem;
}

/* Reports the end of a task with its outputs, if they fit. */
static void report_end(struct command *run, struct paths *paths, struct ending *ending, u64 duration_ns) {
  union message message;
  message.report.ended.duration_ns = duration_ns;
  message.report.ended.user_us = ending->user_us;
  message.report.ended.system_us = ending->system_us;
  message.report.ended.status = (u32)ending->status;
  u32 length = ENDED_HEADER_BYTES;
  u64 end = run->run.flags & KEEPS_FILES ? length : MESSAGE_BYTES;
  const char *names[] = {paths->output, paths->error};
  u32 sizes[2];
  for (u32 i = 0; i < 2; i++) {
    sizes[i] = copy_output(&outputs[i], names[i], message.bytes + length, end - length);
    if (sizes[i] != IN_FILE) length += sizes[i];
  }
  message.report.ended.stdout_bytes = sizes[0];
  message.report.ended.stderr_bytes = sizes[1];
  send_report(&message, ENDED, run->number, length);
  for (u32 i = 0; i < 2; i++) {
    if (sizes[i] != IN_FILE) close_output(&outputs[i], names[i], sizes[i]);
    else {
      close(outputs[i].writer);
      forget(&outputs[i]);
    }
  }
}

static void run_task(struct command *run) {
  char *text = run->run.text;
  struct paths paths;
  paths.input = next_text(&text);
  paths.output = next_text(&text);
  paths.error = next_text(&text);
  paths.directory = next_text(&text);
  paths.shell = next_text(&text);
  char *variables = read_programs(text, run->run.part_count);

  u32 is_queued = run->run.flags & IS_QUEUED;
  if (is_queued && send_signal(runner_pid, 0) == -ESRCH) {
    remove_outputs();
    exit_now(0);
  }
  if (is_leaving) return report_value(UNOPENED, run->number, ESHUTDOWN);
  if (is_queued && is_holding) return report_value(UNOPENED, run->number, EBUSY);
  is_holding = 0;
  int problem = open_output(&outputs[0], paths.output);
  if (problem < 0) {
    is_holding = problem != -EEXIST;
    return report_value(UNOPENED, run->number, -problem);
  }
  int has_error = (problem = open_output(&outputs[1], paths.error)) == 0;
  u64 uptime_ns = now_ns(CLOCK_BOOTTIME);
  u64 begun_ns = now_ns(CLOCK_MONOTONIC);
  if (problem == 0) problem = start_task(&paths, variables, run->run.variable_count);
  if (problem < 0) {
    block_signals(0);
    close_output(&outputs[0], paths.output, 0);
    if (has_error) close_output(&outputs[1], paths.error, 0);
    is_holding = 1;
    return report_value(UNSTARTED, run->number, -problem);
  }
  if (run->run.flags & REPORTS_BEGIN) {
    union message begun;
    begun.report.uptime_ns = uptime_ns;
    send_report(&begun, BEGUN, run->number, REPORT_HEADER_BYTES + 8);
  }
  /* The status of dash when it cannot start the last program. */
  struct ending ending = {status_of_exit(2), 0, 0};
  wait_for_programs(&ending);
  report_end(run, &paths, &ending, now_ns(CLOCK_MONOTONIC) - begun_ns);
  is_leaving = running > 0;
}

/* Reads the next command. Returns 0 at the end of the commands. */
static int read_command(int commands) {
  while (command_bytes < COMMAND_HEADER_BYTES || command_bytes < command.command.bytes) {
    u64 wanted = command_bytes < COMMAND_HEADER_BYTES ? COMMAND_HEADER_BYTES : command.command.bytes;
    if (wanted > MESSAGE_BYTES) return 0;
    long length = read(commands, command.bytes + command_bytes, wanted - command_bytes);
    if (length == -EINTR) continue;
    if (length <= 0) return 0;
    command_bytes += length;
  }
  command_bytes = 0;
  return 1;
}

static void be_starter(u32 index, int commands, int report_pipe) {
  own_index = index;
  reports = report_pipe;
  outputs[0].reader = outputs[1].reader = -1;
  set_session();
  block_signals(0);
  while (read_command(commands)) run_task(&command.command);
  remove_outputs();
  exit_now(0);
}

/* ---- The router ---- */

static struct starter starters[MAX_STARTERS];
/* The number of elements of `starters` that were ever used. */
static u32 used;
static char inbox[BUFFER_BYTES], reported[BUFFER_BYTES], outbox[2 * BUFFER_BYTES];
static u64 inbox_bytes, reported_bytes, outbox_bytes;
/* The time at which the outbox is due. */
static u64 due_ns = ~0ul;
/* The pipe from the starters. */
static int report_ends[2];
/* The descriptor that reports SIGCHLD. */
static int signals;

static void flush(void) {
  /* Without a runner, the starters still end their programs and remove their files. */
  if (outbox_bytes > 0) write_all(REPORTS, outbox, outbox_bytes);
  outbox_bytes = 0;
  due_ns = ~0ul;
}

static void add_report(const void *bytes, u32 length) {
  if (outbox_bytes + length > sizeof outbox) flush();
  copy(outbox + outbox_bytes, bytes, length);
  outbox_bytes += length;
}

/* Adds a report of the router. */
static void finish_report(struct report *report, u32 index, u32 kind, u32 number, u32 bytes) {
  report->bytes = bytes;
  report->starter = index;
  report->kind = kind;
  report->number = number;
  copy(report->secret, secret, SECRET_BYTES);
  add_report(report, bytes);
}

static void add_own_report(u32 index, u32 kind, u32 value) {
  struct report report;
  report.value = value;
  finish_report(&report, index, kind, 0, REPORT_HEADER_BYTES + 4);
  due_ns = 0;
}

/* Allows the outbox to wait for other reports, at most for the given time. */
static void delay_outbox(u64 delay_ns) {
  u64 due = delay_ns == 0 ? 0 : now_ns(CLOCK_MONOTONIC) + delay_ns;
  if (due < due_ns) due_ns = due;
}

/* Allows the report of a program or script to wait for a part of the duration. */
static void delay_end(u64 duration_ns) {
  u64 delay_ns = duration_ns * 3 / 4;
  delay_outbox(delay_ns < MAX_DELAY_NS ? delay_ns : MAX_DELAY_NS);
}

/* ---- Shells ----
 *
 * A shell reads scripts from its standard input, and reports on the channel, its standard output. Lines that begin with its
 * token are reports or notices; all others are messages of the shell. The runner checks them; the router only finds the
 * report of each script, and adds short outputs.
 */

/* A script without a report, or with outputs whose report the runner may not have read. */
struct script {
  u32 number;
  /* True when a report contains standard output, whose file keeps its name until the runner has read the report. */
  int is_collected;
  /* The paths of the outputs, each with a NUL. */
  char paths[PATHS_BYTES];
};

struct shell {
  int channel;
  /* True when standard input is to be closed once everything is written. */
  int is_closing;
  char token[TOKEN_BYTES];
  /* The last script and the one before. */
  struct script scripts[2];
  u32 first_number;
  /* The time at which the shell began its current script. */
  u64 begun_ns;
  /* The text that has not been passed on yet, and the offset of its last line. */
  char text[CHANNEL_BYTES];
  u32 text_bytes, line_begin;
  /* True when the beginning of the last line has been passed on. */
  int is_long_line;
  /* Bytes for standard input that did not fit into the pipe. The first `unsent_written` have been written since. */
  char *unsent;
  u64 unsent_bytes, unsent_written, unsent_capacity;
};

static struct shell shells[MAX_STARTERS];
/* The epoll descriptor for the pipes of shells. */
static int events;
#define IS_INPUT (1ul << 32)

static void watch(int file, u32 kinds, u64 data) {
  struct epoll_event event = {kinds, data};
  change_events(events, EPOLL_CTL_ADD, file, &event);
}

static void unwatch(int file) {
  struct epoll_event event = {0, 0};
  change_events(events, EPOLL_CTL_DEL, file, &event);
}

static void close_channel(struct shell *shell) {
  if (shell->channel < 0) return;
  unwatch(shell->channel);
  close(shell->channel);
  shell->channel = -1;
}

/* Forgets bytes that were written, or that cannot be written. */
static void drop_unsent(u32 index) {
  struct shell *shell = &shells[index];
  if (!shell->unsent) return;
  unwatch(starters[index].commands);
  free_memory(shell->unsent, shell->unsent_capacity);
  shell->unsent = 0;
  shell->unsent_bytes = shell->unsent_written = shell->unsent_capacity = 0;
}

/* Closes the pipe to a starter or shell, which ends after its last program or script. */
static void close_input(u32 index) {
  drop_unsent(index);
  if (starters[index].commands) close(starters[index].commands);
  starters[index].commands = 0;
}

/* Passes on the first bytes that the shell has printed. */
static void pass_text(u32 index, u32 bytes) {
  struct shell *shell = &shells[index];
  union message message;
  if (bytes == 0) return;
  copy(message.bytes + REPORT_HEADER_BYTES, shell->text, bytes);
  finish_report(&message.report, index, CHANNEL, 0, REPORT_HEADER_BYTES + bytes);
  delay_outbox(NOTICE_DELAY_NS);
}

/* Copies an output into a report, if its file is a short one without another name. Returns the length or IN_FILE. */
static u32 read_output(const char *path, char *target, u64 space) {
  struct stat status;
  u32 length = IN_FILE;
  int file = path[0] ? (int)open_file(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0) : -ENOENT;
  if (file < 0) return length;
  int is_short = status_of(file, &status) == 0 && (status.st_mode & S_IFMT) == S_IFREG && status.st_nlink == 1 &&
                 (u64)status.st_size <= space;
  if (is_short && read_at(file, target, status.st_size, 0) == status.st_size) length = (u32)status.st_size;
  close(file);
  return length;
}

/* Passes the report of a script on, with all that the shell has printed before it. */
static void pass_report(u32 index, u32 bytes) {
  struct shell *shell = &shells[index];
  struct script *script = &shell->scripts[shell->first_number % 2];
  union message message;
  struct report *report = &message.report;
  u64 now = now_ns(CLOCK_MONOTONIC);
  u32 length = REPORTED_HEADER_BYTES + bytes;
  char *error_path = script->paths + text_length(script->paths) + 1;
  report->reported.duration_ns = now - shell->begun_ns;
  report->reported.channel_bytes = bytes;
  copy(report->reported.text, shell->text, bytes);
  report->reported.stdout_bytes = read_output(script->paths, message.bytes + length, MESSAGE_BYTES - length);
  if (report->reported.stdout_bytes != IN_FILE) {
    length += report->reported.stdout_bytes;
    script->is_collected = 1;
  }
  int is_error_empty = error_path[0] && shell->text[bytes - 2] == '1';
  report->reported.stderr_bytes =
      is_error_empty ? 0 : read_output(error_path, message.bytes + length, MESSAGE_BYTES - length);
  if (report->reported.stderr_bytes != IN_FILE) {
    length += report->reported.stderr_bytes;
    unlink_file(error_path);
  }
  finish_report(report, index, REPORTED, script->number, length);
  shell->first_number++;
  starters[index].running--;
  delay_end(starters[index].running == 0 ? 0 : now - shell->begun_ns);
  shell->begun_ns = now;
}

/* Returns whether a line begins with the token. */
static int is_control_line(struct shell *shell, const char *line, u32 bytes) {
  return bytes > TOKEN_BYTES && is_prefix(shell->token, TOKEN_BYTES - 1, line) && line[TOKEN_BYTES - 1] == ' ';
}

/* Returns whether a control line reports the first script. */
static int is_report(u32 index, const char *line, u32 bytes) {
  u32 number = 0;
  for (u32 i = TOKEN_BYTES; i < bytes && line[i] >= '0' && line[i] <= '9'; i++) number = number * 10 + (u32)(line[i] - '0');
  return starters[index].running > 0 && number == shells[index].first_number;
}

/* Passes on what a shell has printed, up to the end of a control line. */
static void pass_control_line(u32 index, const char *line, u32 bytes) {
  if (is_report(index, line, bytes)) pass_report(index, shells[index].line_begin);
  else pass_text(index, shells[index].line_begin);
}

static void forget_text(struct shell *shell, u32 bytes) {
  move(shell->text, shell->text + bytes, shell->text_bytes - bytes);
  shell->text_bytes -= bytes;
  shell->line_begin = 0;
}

/* Passes on the next complete control line. Returns 0 when there is none. */
static int pass_next_line(u32 index) {
  struct shell *shell = &shells[index];
  for (u32 end = shell->line_begin; end < shell->text_bytes; end++) {
    if (shell->text[end] != '\n') continue;
    char *line = shell->text + shell->line_begin;
    u32 bytes = end + 1 - shell->line_begin;
    int is_control = !shell->is_long_line && is_control_line(shell, line, bytes);
    shell->is_long_line = 0;
    shell->line_begin = end + 1;
    if (!is_control) continue;
    pass_control_line(index, line, bytes);
    forget_text(shell, end + 1);
    return 1;
  }
  return 0;
}

/* Reads from the channel of a shell, and handles the lines. Returns 0 when nothing more can be read now. */
static int read_channel(u32 index) {
  struct shell *shell = &shells[index];
  long length = read(shell->channel, shell->text + shell->text_bytes, CHANNEL_BYTES - shell->text_bytes);
  if (length == -EINTR) return 1;
  if (length == -EAGAIN) return 0;
  if (length <= 0) {
    close_channel(shell);
    return 0;
  }
  shell->text_bytes += (u32)length;
  while (pass_next_line(index)) {}
  if (shell->text_bytes == CHANNEL_BYTES) {
    shell->is_long_line |= shell->line_begin == 0;
    u32 bytes = shell->line_begin ? shell->line_begin : CHANNEL_BYTES;
    pass_text(index, bytes);
    forget_text(shell, bytes);
  }
  return 1;
}

/* Writes bytes that have been waiting for space in the pipe. */
static void write_unsent(u32 index) {
  struct shell *shell = &shells[index];
  if (!shell->unsent) return;
  u64 left = shell->unsent_bytes - shell->unsent_written;
  long written = write(starters[index].commands, shell->unsent + shell->unsent_written, left);
  if (written == -EINTR || written == -EAGAIN) return;
  shell->unsent_written += written < 0 ? left : (u64)written; /* an error means that the shell has ended */
  if (shell->unsent_written < shell->unsent_bytes) return;
  drop_unsent(index);
  if (shell->is_closing) close_input(index);
}

/* Keeps bytes for standard input until the pipe has space for them. */
static void keep_unsent(u32 index, const char *bytes, u64 length) {
  struct shell *shell = &shells[index];
  if (shell->unsent_bytes + length > shell->unsent_capacity) {
    if (!shell->unsent) watch(starters[index].commands, EPOLLOUT, index | IS_INPUT);
    u64 capacity = shell->unsent_capacity ? shell->unsent_capacity * 2 : BUFFER_BYTES;
    shell->unsent = enlarge_memory(shell->unsent, shell->unsent_capacity, capacity);
    if (!shell->unsent) exit_now(3);
    shell->unsent_capacity = capacity;
  }
  copy(shell->unsent + shell->unsent_bytes, bytes, length);
  shell->unsent_bytes += length;
}

/* Writes to standard input of a shell, without waiting for space in the pipe. */
static void write_input(u32 index, const char *bytes, u64 length) {
  long written = 0;
  if (!shells[index].unsent) {
    written = write(starters[index].commands, bytes, length);
    if (written == -EAGAIN || written == -EINTR) written = 0;
    if (written < 0) return; /* the shell has ended */
  }
  if ((u64)written < length) keep_unsent(index, bytes + written, length - (u64)written);
}

/* Closes standard input of a shell once everything is written. */
static void end_input(u32 index) {
  shells[index].is_closing = 1;
  if (!shells[index].unsent) close_input(index);
}

/* Removes output files whose contents the runner has read. */
static void settle_scripts(struct shell *shell, u32 settled) {
  for (u32 i = 0; i < 2; i++) {
    struct script *script = &shell->scripts[i];
    if (!script->is_collected || script->number > settled) continue;
    unlink_file(script->paths);
    script->is_collected = 0;
  }
}

static void run_script(struct command *sent) {
  u32 index = sent->starter;
  struct shell *shell = &shells[index];
  settle_scripts(shell, sent->script.settled);
  char *error_path = sent->script.text + text_length(sent->script.text) + 1;
  char *text = error_path + text_length(error_path) + 1;
  if (sent->number) {
    struct script *script = &shell->scripts[sent->number % 2];
    u64 paths_bytes = (u64)(text - sent->script.text);
    script->number = sent->number;
    script->is_collected = 0;
    script->paths[0] = script->paths[1] = 0;
    if (paths_bytes <= PATHS_BYTES) copy(script->paths, sent->script.text, paths_bytes);
    if (starters[index].running++ == 0) {
      shell->first_number = sent->number;
      shell->begun_ns = now_ns(CLOCK_MONOTONIC);
    }
  }
  if (sent->script.script_bytes) write_input(index, text, sent->script.script_bytes);
}

/* Closes what the starter has inherited from the router: an open end of a pipe would keep another process alive. */
static void close_router(void) {
  close(report_ends[0]);
  close(signals);
  close(events);
  for (u32 i = 0; i < used; i++) {
    if (starters[i].commands) close(starters[i].commands);
    if (starters[i].is_shell && shells[i].channel >= 0) close(shells[i].channel);
  }
  for (int file = 0; file < 3; file++) dup_onto(null_device, file);
}

static void open_starter(u32 index) {
  int ends[2];
  struct starter *starter = &starters[index];
  int problem = starter->pid ? -EEXIST : (int)open_pipe(ends, O_CLOEXEC);
  if (problem == 0) {
    int pid = (int)fork_process();
    if (pid == 0) {
      close(ends[1]);
      close_router();
      be_starter(index, ends[0], report_ends[1]);
    }
    close(ends[0]);
    if (pid < 0) {
      close(ends[1]);
      problem = pid;
    } else {
      starter->pid = pid;
      starter->commands = ends[1];
      starter->running = 0;
    }
  }
  if (problem < 0) add_own_report(index, DIED, IN_FILE);
  else add_own_report(index, OPENED, (u32)starter->pid);
}

/* Starts a shell with the two ends of pipes, in a session of its own. Returns its pid or a negative error. */
static int start_shell(struct command *sent, int input, int output) {
  char *name = sent->open_shell.text + TOKEN_BYTES;
  char *arguments[] = {name, 0}, *none[] = {0};
  char **variables = merged_variables(name + text_length(name) + 1, sent->open_shell.variable_count, AT_FDCWD);
  struct program shell = {arguments, none, 0, input, output, 0, 0};
  struct start start = {&shell, variables, null_device, AT_FDCWD, 1, 0, 0};
  return start_program(&start);
}

static void open_shell(struct command *sent) {
  u32 index = sent->starter;
  struct starter *starter = &starters[index];
  struct shell *shell = &shells[index];
  int inputs[2], outputs[2];
  if (starter->pid) exit_now(2); /* another process has the index */
  if (open_pipe(inputs, O_CLOEXEC) < 0) return add_own_report(index, DIED, IN_FILE);
  int problem = (int)open_pipe(outputs, O_CLOEXEC);
  if (problem == 0) {
    problem = start_shell(sent, inputs[0], outputs[1]);
    close(outputs[1]);
    if (problem < 0) close(outputs[0]);
  }
  close(inputs[0]);
  if (problem < 0) {
    close(inputs[1]);
    return add_own_report(index, DIED, IN_FILE);
  }
  memset(shell, 0, sizeof *shell);
  copy(shell->token, sent->open_shell.text, TOKEN_BYTES);
  shell->channel = outputs[0];
  starter->pid = problem;
  starter->commands = inputs[1];
  starter->is_shell = 1;
  starter->running = 0;
  set_flags(inputs[1], O_NONBLOCK);
  set_flags(outputs[0], O_NONBLOCK);
  watch(shell->channel, EPOLLIN, index);
  add_own_report(index, OPENED, (u32)starter->pid);
}

/* Passes a command on, or performs it. Ends the router when the index of the starter is out of range. */
static void handle_command(struct command *sent) {
  if (sent->kind == SECRET) return copy(secret, sent->secret, SECRET_BYTES);
  if (sent->starter >= MAX_STARTERS) exit_now(2);
  if (sent->starter >= used) used = sent->starter + 1;
  struct starter *starter = &starters[sent->starter];
  if (sent->kind == OPEN) return open_starter(sent->starter);
  if (sent->kind == OPEN_SHELL) return open_shell(sent);
  if (!starter->commands) return;
  if (starter->is_shell) {
    if (sent->kind == SCRIPT) run_script(sent);
    if (sent->kind == CLOSE) end_input(sent->starter);
  } else if (sent->kind == CLOSE) {
    close_input(sent->starter);
  } else if (sent->kind == RUN) {
    starter->running++;
    write_all(starter->commands, (char *)sent, sent->bytes); /* fails only when the starter has died */
  }
}

/* Handles all complete commands. Returns 0 at the end of the commands. */
static int read_commands(void) {
  long length = read(COMMANDS, inbox + inbox_bytes, sizeof inbox - inbox_bytes);
  if (length == -EINTR || length == -EAGAIN) return 1;
  if (length <= 0) return 0;
  inbox_bytes += length;
  u64 begin = 0;
  while (inbox_bytes - begin >= COMMAND_HEADER_BYTES) {
    struct command *sent = (struct command *)(inbox + begin);
    if (sent->bytes < COMMAND_HEADER_BYTES || sent->bytes > MESSAGE_BYTES || sent->bytes % 4 != 0) exit_now(2);
    if (inbox_bytes - begin < sent->bytes) break;
    handle_command(sent);
    begin += sent->bytes;
  }
  move(inbox, inbox + begin, inbox_bytes - begin);
  inbox_bytes -= begin;
  return 1;
}

/* Passes reports on. A report waits for others while its starter has another program to run. */
static void read_reports(void) {
  for (;;) {
    long length = read(report_ends[0], reported + reported_bytes, sizeof reported - reported_bytes);
    if (length == -EINTR) continue;
    if (length <= 0) return;
    reported_bytes += length;
    u64 begin = 0;
    while (reported_bytes - begin >= REPORT_HEADER_BYTES) {
      struct report report;
      u64 available = reported_bytes - begin;
      copy(&report, reported + begin, available < sizeof report ? available : sizeof report);
      if (report.bytes < REPORT_HEADER_BYTES || report.bytes > MESSAGE_BYTES || report.starter >= MAX_STARTERS) {
        exit_now(2);
      }
      if (reported_bytes - begin < report.bytes) break;
      add_report(reported + begin, report.bytes);
      begin += report.bytes;
      struct starter *starter = &starters[report.starter];
      if (report.kind != BEGUN && starter->running > 0) starter->running--;
      delay_end(report.kind != ENDED || starter->running == 0 ? 0 : report.ended.duration_ns);
    }
    move(reported, reported + begin, reported_bytes - begin);
    reported_bytes -= begin;
  }
}

/* Passes on all that a shell has printed before its end. */
static void end_shell(u32 index) {
  struct shell *shell = &shells[index];
  /* Another process may hold the channel and print to it all the time. */
  for (u32 reads = 0; reads < MAX_LAST_READS && shell->channel >= 0 && read_channel(index); reads++) {}
  pass_text(index, shell->text_bytes);
  close_channel(shell);
  close_input(index);
  starters[index].is_shell = 0;
}

static void handle_events(void) {
  struct epoll_event found[64];
  long count = read_events(events, found, 64);
  for (long i = 0; i < count; i++) {
    u32 index = (u32)found[i].data;
    if (!starters[index].is_shell) continue;
    if (found[i].data & IS_INPUT) write_unsent(index);
    else if (shells[index].channel >= 0) read_channel(index);
  }
}

static void reap_starters(void) {
  for (;;) {
    int status;
    int pid = (int)wait_for(-1, &status, WNOHANG, 0);
    if (pid <= 0) return;
    read_reports(); /* what the starter reported before its end */
    for (u32 i = 0; i < used; i++) {
      struct starter *starter = &starters[i];
      if (starter->pid != pid) continue;
      if (starter->is_shell) end_shell(i);
      close_input(i);
      starter->pid = 0;
      starter->running = 0;
      add_own_report(i, DIED, (u32)status);
    }
  }
}

static void route(void) {
  u64 child_signal = mask_of(SIGCHLD);
  set_mask(original_mask | child_signal);
  signals = (int)open_signals(child_signal);
  events = (int)open_events();
  if (signals < 0 || events < 0 || open_pipe(report_ends, O_CLOEXEC | O_NONBLOCK) < 0) exit_now(3);
  set_flags(report_ends[1], 0);
  struct pollfd files[] = {{COMMANDS, POLLIN, 0}, {report_ends[0], POLLIN, 0}, {signals, POLLIN, 0}, {events, POLLIN, 0}};
  int is_open = 1;
  add_own_report(0, READY, (u32)own_pid());
  for (;;) {
    u64 now = now_ns(CLOCK_MONOTONIC);
    if (due_ns <= now) flush();
    u64 left_ns = due_ns > now ? due_ns - now : 0;
    struct __kernel_timespec timeout = {left_ns / 1000000000u, left_ns % 1000000000u};
    if (poll_files(files, 4, due_ns == ~0ul ? 0 : &timeout) < 0) continue;
    if (files[1].revents) read_reports();
    if (files[3].revents) handle_events();
    if (files[2].revents) {
      char discarded[1024];
      while (read(signals, discarded, sizeof discarded) > 0) {}
      reap_starters();
    }
    if (files[0].revents && is_open && !read_commands()) {
      is_open = 0;
      files[0].fd = -1;
      for (u32 i = 0; i < used; i++) close_input(i);
    }
    if (!is_open) {
      u32 alive = 0;
      for (u32 i = 0; i < used; i++) alive += starters[i].pid != 0;
      if (alive == 0) break;
    }
  }
  flush();
}

/* Removes the variable in which some shells pass a program its own path. */
static void remove_own_name(const char *path) {
  u64 length = text_length(path);
  char **kept = environment;
  for (char **variable = environment; *variable; variable++) {
    char *text = *variable;
    int is_own_name = is_prefix("_=", 2, text) && is_prefix(path, length, text + 2) && !text[2 + length];
    if (!is_own_name) *kept++ = text;
  }
  *kept = 0;
}

/* The argument is the pid of the runner. */
int main(int count, char **arguments, char **variables) {
  u32 total = 0;
  while (variables[total]) total++;
  if (count != 2 || total > MAX_VARIABLES) return 3;
  for (const char *digit = arguments[1]; *digit; digit++) runner_pid = runner_pid * 10 + (u32)(*digit - '0');
  environment = variables;
  remove_own_name(arguments[0]);
  null_device = (int)open_file("/dev/null", O_RDWR | O_CLOEXEC, 0);
  empty_input = (int)open_file("/dev/null", O_RDONLY | O_CLOEXEC, 0);
  if (null_device < 0 || empty_input < 0 || !shares_memory()) return 3;
  get_mask(&original_mask);
  set_handler(SIGCHLD, DEFAULT_ACTION); /* if the signal were ignored, no status could be read */
  catch_signals();
  end_with_parent();
  route();
  return 0;
}
