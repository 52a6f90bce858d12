#include "control/identity/owner_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "control/identity/account_keys.h"

enum { FILE_BYTES_MAX = 65536 };

/* A regular file of ours: a link, or somebody else's file, is there for a reason. */
static bool is_ours(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0 && S_ISREG(info.st_mode) && info.st_uid == geteuid();
}

static bool is_owners(const struct control *control, const json_t *file)
{
    auto_arena arena = {0};
    const char *email =
        arena_printf(&arena, "owner@%s.iam.gserviceaccount.com", control->settings.project);
    return strcmp(json_text_or(file, "type", ""), "service_account") == 0 &&
           strcmp(json_text_or(file, "client_email", ""), email) == 0;
}

void owner_file_refresh(struct control *control)
{
    auto_arena arena = {0};
    struct slice text;
    struct error err = {0};
    const char *path = arena_printf(&arena, "%s/owner.json", control->settings.data);
    if (!is_ours(path)) {
        return;
    }
    auto_json *file =
        file_read(&arena, path, FILE_BYTES_MAX, &text, &err) ? json_read(text, &err) : NULL;
    if (file == NULL) {
        log_warn("owner: %s cannot be read: %s", path, err.text);
        return;
    }
    if (!is_owners(control, file) || !account_file_urls(control, &arena, file)) {
        return;
    }
    if (file_write(path, json_write_pretty(&arena, file), 0600, &err)) {
        log_info("owner: %s names the token endpoint of now", path);
    } else {
        log_warn("owner: %s still names another token endpoint: %s", path, err.text);
    }
}
