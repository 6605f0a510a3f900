/* What capi_test.c uses of Criterion, for ThreadSanitizer: Criterion wants memory at addresses that are the
 * sanitizer's. Each test is a process of its own here too, and what is printed is what run.py reads. */
#ifndef TENON_PLAIN_CRITERION_H
#define TENON_PLAIN_CRITERION_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct plain_test {
  const char* suite;
  const char* name;
  void (*run)(void);
  struct plain_test* next;
} plain_test;

static plain_test* plain_tests;
static int plain_failed;

static void plain_check(int good, int stop, int line, const char* what) {
  if (good) return;
  fprintf(stderr, "line %d: %s\n", line, what);
  plain_failed = 1;
  if (stop) exit(1);
}

#define Test(suite_, name_)                                                    \
  static void suite_##_##name_(void);                                          \
  __attribute__((constructor)) static void register_##suite_##_##name_(void) { \
    static plain_test test = {#suite_, #name_, suite_##_##name_, NULL};        \
    test.next = plain_tests;                                                   \
    plain_tests = &test;                                                       \
  }                                                                            \
  static void suite_##_##name_(void)

#define cr_assert(condition, ...) plain_check(condition, 1, __LINE__, #condition)
#define cr_assert_eq(a, b, ...) plain_check((a) == (b), 1, __LINE__, #a " == " #b)
#define cr_assert_neq(a, b, ...) plain_check((a) != (b), 1, __LINE__, #a " != " #b)
#define cr_expect(condition, ...) plain_check(condition, 0, __LINE__, #condition)
#define cr_expect_eq(a, b, ...) plain_check((a) == (b), 0, __LINE__, #a " == " #b)
#define cr_expect_neq(a, b, ...) plain_check((a) != (b), 0, __LINE__, #a " != " #b)
#define cr_expect_null(a, ...) plain_check(!(a), 0, __LINE__, #a " is NULL")
#define cr_expect_str_eq(a, b, ...) plain_check(strcmp(a, b) == 0, 0, __LINE__, #a " is " #b)

int main(void) {
  int tested = 0, passed = 0;
  for (const plain_test* test = plain_tests; test; test = test->next, ++tested) {
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
      alarm(120);
      test->run();
      exit(plain_failed);
    }
    waitpid(child, &status, 0);
    if (status == 0)
      ++passed;
    else
      printf("[FAIL] %s::%s: status %d\n", test->suite, test->name, status);
    fflush(stdout);
  }
  printf("Tested: %d | Passing: %d | Failing: %d | Crashing: 0\n", tested, passed, tested - passed);
  return passed != tested;
}

#endif
