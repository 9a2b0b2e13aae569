/* leaks.c -- linked to each program of a lab: what it never freed is found
 * however it ends, and it cannot turn that off. Asked by a signal, it says how
 * much memory is in use meanwhile.
 *
 * LeakSanitizer looks when exit(3) is called. A program that leaves by _exit(2)
 * would not be looked at, so scripts/labs/check sends such calls here, with the
 * option --wrap of ld(1).
 */
#include <sanitizer/lsan_interface.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

static pid_t program;
static int failed;

/* As <sanitizer/allocator_interface.h> has it, which gcc does not bring. */
size_t __sanitizer_get_current_allocated_bytes(void);
_Noreturn void __real__exit(int status);
_Noreturn void __wrap__exit(int status);
_Noreturn void __wrap__Exit(int status);
void __wrap___lsan_disable(void);
void __wrap___lsan_ignore_object(const void *object);
const char *__asan_default_options(void);
const char *__lsan_default_options(void);
const char *__ubsan_default_options(void);
int __lsan_is_turned_off(void);

static void note_failure(int status, void *arg)
{
    failed = status != 0;
}

/* To be asked only while the program sleeps, and holds no lock. */
static void tell_memory(int signum)
{
    dprintf(STDERR_FILENO, "lab: %zu bytes are in use\n",
        __sanitizer_get_current_allocated_bytes());
}

__attribute__((constructor)) static void prepare(void)
{
    struct sigaction action = {
        .sa_handler = tell_memory,
        .sa_flags = SA_RESTART,
    };

    program = getpid();
    if (getenv("LAB_MEMORY") && sigaction(SIGRTMAX, &action, NULL) != 0)
        abort();
    if (on_exit(note_failure, NULL) != 0)
        abort();
}

/* A child that was forked has what its parent made, and leaves it to it. */
void __wrap__exit(int status)
{
    note_failure(status, NULL);
    if (getpid() == program)
        __lsan_do_leak_check();
    __real__exit(status);
}

void __wrap__Exit(int status)
{
    __wrap__exit(status);
}

/* From here on, what a program could call or define to hide its leaks. */
void __wrap___lsan_disable(void)
{
}

void __wrap___lsan_ignore_object(const void *object)
{
}

const char *__asan_default_options(void)
{
    return "";
}

const char *__lsan_default_options(void)
{
    return "";
}

const char *__ubsan_default_options(void)
{
    return "";
}

/* Where all leaks are looked for (find_all_leaks sets the variable), one that
 * gives up by err(3) is left alone: its reason and its status are what is to be
 * told. */
int __lsan_is_turned_off(void)
{
    return failed && getenv("LSAN_OPTIONS");
}

/* What is libc's and the sanitizer's own, and not reached from anywhere. */
const char *__lsan_default_suppressions(void)
{
    return "leak:doallocate\nleak:libstdc++\n";
}
