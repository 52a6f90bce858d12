/*
 * `homerun store migrate`: the record from a file to PostgreSQL, or back. It works on the data
 * folder itself, not by the API: nobody may change the record meanwhile, so Homerun must have
 * ended.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/actions.h"
#include "store/store.h"
#include "supervisor/data_folder.h"

static bool is_file(const char *store)
{
    return strcmp(store, "sqlite") == 0;
}

static bool migrate(struct cli *cli, const char *from, const char *to, struct store_moved *out,
                    struct error *err)
{
    struct arena *arena = &cli->arena;
    const char *data = session_data(cli);
    const char *file = arena_printf(arena, "%s/homerun.db", data);
    char host[64] = "";
    gethostname(host, sizeof(host) - 1);
    struct store_shared shared = {
        .url = is_file(from) ? to : from,
        .copy = arena_printf(arena, "%s/copy.db", data),
        .installation = arena_printf(arena, "%s/installation", data),
        .node = arena_printf(arena, "%s:%s", host, data),
        .alone = true,
    };
    return is_file(from) ? store_move_to_server(file, &shared, out, err)
                         : store_move_to_file(&shared, file, out, err);
}

int action_store_migrate(struct cli *cli)
{
    const char *from = option_text(&cli->in, "from", "");
    const char *to = option_text(&cli->in, "to", "");
    struct error err = {0};
    struct store_moved moved = {0};
    int lock = -1;
    if (from[0] == '\0' || to[0] == '\0' || is_file(from) == is_file(to)) {
        return cli_refuse_with(
            "--from and --to: one is sqlite, the other postgresql://… as `homerun "
            "up --store` takes it");
    }
    if (!data_folder_check(session_data(cli), &lock, &err) ||
        !migrate(cli, from, to, &moved, &err)) {
        return cli_fail(&err);
    }
    printf("Moved %" PRId64 " documents and %" PRId64
           " audit rows. What arrived has the digest of what "
           "was sent:\nsha256:%s\nStart with: homerun up --store='%s'\n",
           moved.documents, moved.audit, moved.digest, to);
    return 0;
}
