/*
 * ucontext(3): it saves what the C library says must be saved, on every architecture, for the price
 * of a system call at each switch. Switches are as rare as round trips to another machine. The
 * sanitizer has to be told of each one, or it takes the other stack for an overflow.
 */
#include "base/fiber.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/memory.h"

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#endif
#endif
#ifdef UNDER_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

enum { STACK_BYTES_MAX = 8 << 20 }; /* what the main stack has by default */

struct fiber {
    ucontext_t own, caller;
    char *memory; /* a page without access, and the stack above it */
    size_t page;
    void (*fn)(void *ctx);
    void *ctx;
    bool ended;
    void *own_shadow; /* of the sanitizer */
    const void *caller_bottom;
    size_t caller_bytes;
};

static struct fiber *running;

struct fiber *fiber_current(void)
{
    return running;
}

struct fiber *fiber_new(void)
{
    struct fiber *fiber = mem_new(struct fiber);
    fiber->page = (size_t)sysconf(_SC_PAGESIZE);
    fiber->memory = mmap(NULL, fiber->page + STACK_BYTES_MAX, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (fiber->memory == MAP_FAILED || mprotect(fiber->memory, fiber->page, PROT_NONE) != 0) {
        abort();
    }
    fiber->ended = true;
    return fiber;
}

void fiber_free(struct fiber *fiber)
{
    if (fiber != NULL) {
        assert(fiber->ended);
        munmap(fiber->memory, fiber->page + STACK_BYTES_MAX);
        free(fiber);
    }
}

/* To FIBER's stack, and back when it suspends or ends. */
static bool enter(struct fiber *fiber)
{
    assert(running == NULL);
    running = fiber;
#ifdef UNDER_ASAN
    void *shadow;
    __sanitizer_start_switch_fiber(&shadow, fiber->memory + fiber->page, STACK_BYTES_MAX);
#endif
    swapcontext(&fiber->caller, &fiber->own);
#ifdef UNDER_ASAN
    __sanitizer_finish_switch_fiber(shadow, NULL, NULL);
#endif
    running = NULL;
    return fiber->ended;
}

static void leave(struct fiber *fiber)
{
#ifdef UNDER_ASAN
    /* NULL: this stack is not used again as it is. */
    __sanitizer_start_switch_fiber(fiber->ended ? NULL : &fiber->own_shadow, fiber->caller_bottom,
                                   fiber->caller_bytes);
#endif
    swapcontext(&fiber->own, &fiber->caller);
#ifdef UNDER_ASAN
    __sanitizer_finish_switch_fiber(fiber->own_shadow, &fiber->caller_bottom, &fiber->caller_bytes);
#endif
}

static void begin(void)
{
    struct fiber *fiber = running;
#ifdef UNDER_ASAN
    __sanitizer_finish_switch_fiber(NULL, &fiber->caller_bottom, &fiber->caller_bytes);
#endif
    fiber->fn(fiber->ctx);
    fiber->ended = true;
    leave(fiber);
    abort(); /* an ended fiber is never entered again, but begun anew */
}

bool fiber_run(struct fiber *fiber, void (*fn)(void *ctx), void *ctx)
{
    assert(fiber->ended);
    fiber->fn = fn;
    fiber->ctx = ctx;
    fiber->ended = false;
    getcontext(&fiber->own);
    fiber->own.uc_stack.ss_sp = fiber->memory + fiber->page;
    fiber->own.uc_stack.ss_size = STACK_BYTES_MAX;
    fiber->own.uc_link = NULL;
    makecontext(&fiber->own, begin, 0);
    return enter(fiber);
}

bool fiber_resume(struct fiber *fiber)
{
    assert(!fiber->ended);
    return enter(fiber);
}

void fiber_suspend(void)
{
    assert(running != NULL);
    leave(running);
}
