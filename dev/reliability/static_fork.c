/* Prints the mean cost of forking a small static program, in microseconds; the argument is the number of forks. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e6 + time.tv_nsec / 1e3;
}

int main(int count, char **arguments) {
  int forks = count > 1 ? atoi(arguments[1]) : 0;
  if (forks < 1) return 2;
  double start = now();
  for (int index = 0; index < forks; index++) {
    pid_t child = fork();
    if (child == 0) _exit(0);
    if (child == -1 || waitpid(child, NULL, 0) != child) return 1;
  }
  printf("%.1f\n", (now() - start) / forks);
  return 0;
}
