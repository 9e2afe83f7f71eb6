/* Starts programs for the shell executor; docs/launcher_protocol.md describes the messages.
 *
 * The first process, the router, passes commands on to one process for each slot, the starters, and their reports back. A
 * starter runs one program after another: it opens the outputs, starts the program without copying its own memory, waits
 * for the end, and reports the status with short outputs. Uses no library, so the program is small and runs on any Linux.
 */
#include <asm/unistd.h>
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
/* The longest time for which a report waits for others, in nanoseconds. */
#define MAX_DELAY_NS 4000000
#define BUFFER_BYTES (64 * 1024)
#define IN_FILE 0xffffffffu

enum { COMMANDS = 0, REPORTS = 1 };
enum command_kind { SECRET, OPEN, RUN, CLOSE };
enum report_kind { READY, OPENED, BEGUN, ENDED, UNOPENED, UNSTARTED, DIED };
enum run_flag { REPORTS_BEGIN = 1, IS_QUEUED = 2, KEEPS_FILES = 4 };

struct command {
  u32 bytes, starter, kind, number;
  union {
    char secret[SECRET_BYTES];
    struct {
      u32 flags, argument_count, variable_count;
      /* The paths of standard input, output and error, the arguments, and the variables, each with a NUL. */
      char text[];
    } run;
  };
};
#define COMMAND_HEADER_BYTES 16
#define RUN_HEADER_BYTES 28

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
  };
};
#define REPORT_HEADER_BYTES 32
#define ENDED_HEADER_BYTES 68

union message {
  struct command command;
  struct report report;
  char bytes[MESSAGE_BYTES];
};

/* A process of a slot, as the router knows it. */
struct starter {
  int pid, commands;
  /* The number of programs without a report of their end. */
  u32 running;
};

/* Signals that a program may send to its process group, which includes its starter. */
static const u8 CAUGHT[] = {1, 2, 3, 10, 12, 13, 14, 15, 29};
#define CAUGHT_COUNT (sizeof CAUGHT)

static char secret[SECRET_BYTES];
static u32 runner_pid;
static u64 original_mask;
static u8 is_caught[CAUGHT_COUNT];
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

static void ignore(int signal) { (void)signal; }

/* Catches signals instead of ignoring them, because programs inherit ignored signals. */
static void catch_signals(void) {
  for (u32 i = 0; i < CAUGHT_COUNT; i++) {
    struct action action;
    get_action(CAUGHT[i], &action);
    if (action.handler == IGNORE_SIGNAL) continue;
    is_caught[i] = 1;
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

struct start {
  char **arguments;
  char **variables;
  int input, output, error;
  /* The error that prevented the start of the program, or 0. */
  volatile int problem;
};

static char *value_of(char **variables, const char *name) {
  u64 length = text_length(name);
  for (; *variables; variables++) {
    if (is_prefix(name, length, *variables) && (*variables)[length] == '=') return *variables + length + 1;
  }
  return 0;
}

/* Tries the directories of PATH in turn, as shells do. Returns only when no program can start. */
static int execute(struct start *start) {
  char *program = start->arguments[0];
  if (has_slash(program)) return execve(program, start->arguments, start->variables);
  char path[MESSAGE_BYTES * 2];
  char *directories = value_of(start->variables, "PATH");
  u64 name_length = text_length(program);
  int problem = -ENOENT;
  if (!directories || name_length == 0) return problem;
  for (;;) {
    u64 length = 0;
    while (directories[length] && directories[length] != ':') length++;
    if (length + name_length + 2 <= sizeof path) {
      char *end = path;
      copy(end, directories, length);
      end += length;
      if (length > 0) *end++ = '/';
      copy(end, program, name_length + 1);
      long found = access_file(path, 1);
      if (found == 0) found = execve(path, start->arguments, start->variables);
      if (found != -ENOENT && found != -ENOTDIR) problem = (int)found;
      if (found != -ENOENT && found != -ENOTDIR && found != -EACCES) return problem;
    }
    if (!directories[length]) return problem;
    directories += length + 1;
  }
}

/* Runs in the memory of the starter, which waits. */
static void begin_program(void *argument) {
  struct start *start = argument;
  for (u32 i = 0; i < CAUGHT_COUNT; i++) {
    if (is_caught[i]) set_handler(CAUGHT[i], DEFAULT_ACTION);
  }
  set_mask(original_mask);
  if (dup_onto(start->input, 0) < 0 || dup_onto(start->output, 1) < 0 || dup_onto(start->error, 2) < 0) {
    start->problem = -EMFILE;
  } else start->problem = execute(start);
  exit_now(127);
}

static char stack[64 * 1024] __attribute__((aligned(16)));

/* Returns the pid of the program, or a negative error. */
static int start_program(struct start *start) {
  start->problem = 0;
  set_mask(~0ul);
  int pid = (int)clone_and_wait(begin_program, start, stack + sizeof stack);
  set_mask(original_mask);
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

/* Returns the variables of the starter and the program; those of the program replace others of the same name. */
static char **merged_variables(char *text, u32 count) {
  static char *merged[MAX_VARIABLES + MESSAGE_BYTES];
  u32 total = 0;
  for (; environment[total]; total++) merged[total] = environment[total];
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
  if (status_at(path, &found) < 0 || found.st_ino != output->inode || found.st_nlink != 1) return IN_FILE;
  if ((u64)found.st_size > space) return IN_FILE;
  if (found.st_size == 0) return 0;
  if (!open_reader(output, path)) return IN_FILE;
  return read_at(output->reader, target, found.st_size, 0) == found.st_size ? (u32)found.st_size : IN_FILE;
}

static void run_program(struct command *run) {
  char *text = run->run.text;
  char *input_path = text;
  char *output_path = input_path + text_length(input_path) + 1;
  char *error_path = output_path + text_length(output_path) + 1;
  static char *arguments[MESSAGE_BYTES];
  u32 count = run->run.argument_count;
  char *next = error_path + text_length(error_path) + 1;
  for (u32 i = 0; i < count; i++, next += text_length(next) + 1) arguments[i] = next;
  arguments[count] = 0;

  u32 is_queued = run->run.flags & IS_QUEUED;
  if (is_queued && send_signal(runner_pid, 0) == -ESRCH) {
    remove_outputs();
    exit_now(0);
  }
  if (is_queued && is_holding) return report_value(UNOPENED, run->number, EBUSY);
  is_holding = 0;
  int problem = open_output(&outputs[0], output_path);
  if (problem < 0) {
    is_holding = problem != -EEXIST;
    return report_value(UNOPENED, run->number, -problem);
  }
  problem = open_output(&outputs[1], error_path);
  int input = input_path[0] ? (int)open_file(input_path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC, 0) : empty_input;
  int output = outputs[0].writer, error = outputs[1].writer;
  struct start start = {arguments, merged_variables(next, run->run.variable_count), input, output, error, 0};
  u64 uptime_ns = now_ns(CLOCK_BOOTTIME);
  u64 begun_ns = now_ns(CLOCK_MONOTONIC);
  int pid = problem < 0 ? problem : input < 0 ? input : start_program(&start);
  if (input != empty_input && input >= 0) close(input);
  if (pid < 0) {
    close_output(&outputs[0], output_path, 0);
    if (problem == 0) close_output(&outputs[1], error_path, 0);
    is_holding = 1;
    return report_value(UNSTARTED, run->number, -pid);
  }
  if (run->run.flags & REPORTS_BEGIN) {
    union message begun;
    begun.report.uptime_ns = uptime_ns;
    send_report(&begun, BEGUN, run->number, REPORT_HEADER_BYTES + 8);
  }

  int status = 0;
  struct rusage usage;
  while (wait_for(pid, &status, 0, &usage) == -EINTR) {}
  union message message;
  message.report.ended.duration_ns = now_ns(CLOCK_MONOTONIC) - begun_ns;
  message.report.ended.user_us = usage.ru_utime.tv_sec * 1000000ul + usage.ru_utime.tv_usec;
  message.report.ended.system_us = usage.ru_stime.tv_sec * 1000000ul + usage.ru_stime.tv_usec;
  message.report.ended.status = (u32)status;
  u32 length = ENDED_HEADER_BYTES;
  u64 end = run->run.flags & KEEPS_FILES ? length : MESSAGE_BYTES;
  const char *paths[] = {output_path, error_path};
  u32 sizes[2];
  for (u32 i = 0; i < 2; i++) {
    sizes[i] = copy_output(&outputs[i], paths[i], message.bytes + length, end - length);
    if (sizes[i] != IN_FILE) length += sizes[i];
  }
  message.report.ended.stdout_bytes = sizes[0];
  message.report.ended.stderr_bytes = sizes[1];
  send_report(&message, ENDED, run->number, length);
  for (u32 i = 0; i < 2; i++) {
    if (sizes[i] != IN_FILE) close_output(&outputs[i], paths[i], sizes[i]);
    else {
      close(outputs[i].writer);
      forget(&outputs[i]);
    }
  }
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
  set_mask(original_mask);
  while (read_command(commands)) run_program(&command.command);
  remove_outputs();
  exit_now(0);
}

/* ---- The router ---- */

static struct starter starters[MAX_STARTERS];
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

static void add_own_report(u32 index, u32 kind, u32 value) {
  struct report report;
  report.bytes = REPORT_HEADER_BYTES + 4;
  report.starter = index;
  report.kind = kind;
  report.number = 0;
  copy(report.secret, secret, SECRET_BYTES);
  report.value = value;
  add_report(&report, report.bytes);
  due_ns = 0;
}

/* Closes the pipes to the starters, which end after their last program. */
static void close_starters(void) {
  for (u32 i = 0; i < MAX_STARTERS; i++) {
    if (starters[i].commands) close(starters[i].commands);
    starters[i].commands = 0;
  }
}

/* Closes what the starter has inherited from the router: an open end of a pipe would keep another starter alive. */
static void close_router(void) {
  close(report_ends[0]);
  close(signals);
  close_starters();
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

/* Passes a command on, or performs it. Ends the router when the index of the starter is out of range. */
static void handle_command(struct command *sent) {
  if (sent->kind == SECRET) return copy(secret, sent->secret, SECRET_BYTES);
  if (sent->starter >= MAX_STARTERS) exit_now(2);
  struct starter *starter = &starters[sent->starter];
  if (sent->kind == OPEN) return open_starter(sent->starter);
  if (!starter->commands) return;
  if (sent->kind == CLOSE) {
    close(starter->commands);
    starter->commands = 0;
  } else {
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
      u64 delay_ns = report.kind != ENDED || starter->running == 0 ? 0 : report.ended.duration_ns * 3 / 4;
      if (delay_ns > MAX_DELAY_NS) delay_ns = MAX_DELAY_NS;
      u64 due = delay_ns == 0 ? 0 : now_ns(CLOCK_MONOTONIC) + delay_ns;
      if (due < due_ns) due_ns = due;
    }
    move(reported, reported + begin, reported_bytes - begin);
    reported_bytes -= begin;
  }
}

static void reap_starters(void) {
  for (;;) {
    int status;
    int pid = (int)wait_for(-1, &status, WNOHANG, 0);
    if (pid <= 0) return;
    read_reports(); /* what the starter reported before its end */
    for (u32 i = 0; i < MAX_STARTERS; i++) {
      struct starter *starter = &starters[i];
      if (starter->pid != pid) continue;
      if (starter->commands) close(starter->commands);
      starter->pid = starter->commands = 0;
      starter->running = 0;
      add_own_report(i, DIED, (u32)status);
    }
  }
}

static void route(void) {
  u64 child_signal = 1ul << (SIGCHLD - 1);
  set_mask(original_mask | child_signal);
  signals = (int)open_signals(child_signal);
  if (signals < 0 || open_pipe(report_ends, O_CLOEXEC | O_NONBLOCK) < 0) exit_now(3);
  set_flags(report_ends[1], 0);
  struct pollfd files[] = {{COMMANDS, POLLIN, 0}, {report_ends[0], POLLIN, 0}, {signals, POLLIN, 0}};
  int is_open = 1;
  add_own_report(0, READY, (u32)own_pid());
  for (;;) {
    u64 now = now_ns(CLOCK_MONOTONIC);
    if (due_ns <= now) flush();
    u64 left_ns = due_ns > now ? due_ns - now : 0;
    struct __kernel_timespec timeout = {left_ns / 1000000000u, left_ns % 1000000000u};
    if (poll_files(files, 3, due_ns == ~0ul ? 0 : &timeout) < 0) continue;
    if (files[1].revents) read_reports();
    if (files[2].revents) {
      char discarded[1024];
      while (read(signals, discarded, sizeof discarded) > 0) {}
      reap_starters();
    }
    if (files[0].revents && is_open && !read_commands()) {
      is_open = 0;
      files[0].fd = -1;
      close_starters();
    }
    if (!is_open) {
      u32 alive = 0;
      for (u32 i = 0; i < MAX_STARTERS; i++) alive += starters[i].pid != 0;
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
