#include "base/subids.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

enum { TEXT_BYTES_MAX = 1 << 20 };

static bool is_of(struct slice account, const char *name, uid_t uid)
{
    uint64_t number;
    return account.len > 0 && ((name != NULL && slice_is(account, name)) ||
                               (slice_to_u64(account, &number) && number == uid));
}

bool subids_in(struct slice text, const char *name, uid_t uid, uint32_t *first)
{
    struct slice line, account, from;
    while (slice_cut(&text, '\n', &line)) {
        uint64_t begin, count;
        if (!slice_cut(&line, ':', &account) || !slice_cut(&line, ':', &from) ||
            !is_of(account, name, uid) || !slice_to_u64(from, &begin) ||
            !slice_to_u64(slice_trim(line), &count)) {
            continue;
        }
        /* The last number means "none" to the kernel. */
        if (begin > 0 && count >= SUBIDS_NEEDED && begin <= UINT32_MAX - (uint64_t)SUBIDS_NEEDED) {
            *first = (uint32_t)begin;
            return true;
        }
    }
    return false;
}

static bool find_in(const char *path, const char *name, uint32_t *first, struct error *err)
{
    auto_arena arena = {0};
    struct slice text;
    if (file_read(&arena, path, TEXT_BYTES_MAX, &text, NULL) &&
        subids_in(text, name, geteuid(), first)) {
        return true;
    }
    return error_set(err, STATUS_FAILED_PRECONDITION,
                     "%s has no %d numbers for %s: as root, usermod --add-subuids 100000-165535 "
                     "--add-subgids 100000-165535 %s (numbers that nobody else has)",
                     path, SUBIDS_NEEDED, name == NULL ? "this user" : name,
                     name == NULL ? "USER" : name);
}

/* Both are set-user-ID, or have the right by a capability of the file: an instance without root has
 * no other way to users of its own. */
static bool tools_there(struct error *err)
{
    static const char *const places[] = {"/usr/bin/", "/bin/", "/usr/local/bin/"};
    static const char *const names[] = {"newuidmap", "newgidmap"};
    for (size_t i = 0; i < 2; i++) {
        bool there = false;
        for (size_t k = 0; k < sizeof(places) / sizeof(places[0]) && !there; k++) {
            char path[64];
            snprintf(path, sizeof(path), "%s%s", places[k], names[i]);
            there = access(path, X_OK) == 0;
        }
        if (!there) {
            return error_set(err, STATUS_FAILED_PRECONDITION,
                             "%s is not installed: as root, apt-get install uidmap", names[i]);
        }
    }
    return true;
}

bool subids_find(struct subids *out, struct error *err)
{
    const struct passwd *account = getpwuid(geteuid());
    const char *name = account == NULL ? NULL : account->pw_name;
    return tools_there(err) && find_in("/etc/subuid", name, &out->users, err) &&
           find_in("/etc/subgid", name, &out->groups, err);
}
