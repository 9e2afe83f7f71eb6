/* Runs a program and writes its measurement to the file argv[1]: elapsed seconds, CPU seconds of the program without its
 * children, and its peak memory in KiB. The other arguments are the program and its arguments. Exits as the program. */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

static double seconds_of(clockid_t clock) {
  struct timespec time = {0};
  clock_gettime(clock, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
  pid_t pid;
  siginfo_t info;
  clockid_t clock;
  struct rusage usage;
  int status;
  FILE *report;
  if (argc < 3) return 2;
  double start = seconds_of(CLOCK_MONOTONIC);
  if (posix_spawnp(&pid, argv[2], NULL, NULL, argv + 2, environ)) return 127;
  /* Leaves the zombie: its clock can be read until it is reaped, and does not include its children. */
  if (waitid(P_PID, pid, &info, WEXITED | WNOWAIT)) return 1;
  double elapsed = seconds_of(CLOCK_MONOTONIC) - start;
  double own = clock_getcpuclockid(pid, &clock) ? 0 : seconds_of(clock);
  if (wait4(pid, &status, 0, &usage) != pid || !(report = fopen(argv[1], "w"))) return 1;
  fprintf(report, "{\"seconds\":%.6f,\"cpuSeconds\":%.6f,\"peakKiB\":%ld}\n", elapsed, own, usage.ru_maxrss);
  fclose(report);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
