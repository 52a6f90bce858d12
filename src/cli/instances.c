#include "cli/instances.h"

#include <stdio.h>

#include "base/clock.h"
#include "cli/actions.h"
#include "cli/client.h"
#include "cli/terminal.h"

const char *age_text(struct cli *cli, uint64_t seconds)
{
    static const struct {
        unsigned from_s, unit_s;
        const char *unit;
    } units[] = {{2 * 86400, 86400, "d"}, {2 * 3600, 3600, "h"}, {120, 60, "min"}, {0, 1, "s"}};
    for (size_t i = 0;; i++) {
        if (seconds >= units[i].from_s) {
            return arena_printf(&cli->arena, "%llu %s",
                                (unsigned long long)seconds / units[i].unit_s, units[i].unit);
        }
    }
}

json_t *instances_get(struct cli *cli, const char *service, struct error *err)
{
    const char *path =
        service != NULL
            ? arena_printf(&cli->arena, "/homerun/v1%s/instances", service_path(cli, service) + 3)
            : arena_printf(&cli->arena, "/homerun/v1/projects/%s/instances",
                           encoded(cli, session_project(cli)));
    return list_all(cli, path, "instances", err);
}

/* As people write it; what runs within a network of its own is not to be reached there from here.
 */
static const char *address_text(struct cli *cli, const json_t *instance)
{
    return arena_printf(&cli->arena, "%s%s", json_text_or(instance, "address", ""),
                        json_flag(instance, "ownNetwork", false) ? " inside" : "");
}

static const char *age_of(struct cli *cli, const json_t *instance)
{
    int64_t us;
    const char *text = json_text_or(instance, "startTime", "");
    int64_t now_us = clock_wall_us();
    return time_read(slice_of(text), &us) && us <= now_us
               ? age_text(cli, (uint64_t)(now_us - us) / 1000000)
               : "0 s";
}

void instances_print(struct cli *cli, const json_t *instances)
{
    static const char *const heads[] = {"INSTANCE", "REVISION", "STATE", "ADDRESS", "CPU",
                                        "MEMORY",   "REQUESTS", "SINCE", NULL};
    struct table table;
    size_t i;
    json_t *one;
    table_init(&table, cli, heads);
    json_array_foreach(instances, i, one)
    {
        const json_t *cpu = json_object_get(one, "cpu");
        long long mib = (long long)json_number(one, "memoryBytes", 0) >> 20;
        table_add(&table, arena_printf(&cli->arena, "%.12s", json_text_or(one, "id", "")));
        table_add(&table, short_name(json_text_or(one, "revision", "")));
        table_add(&table, json_text(one, "state"));
        table_add(&table, address_text(cli, one));
        table_add(&table, arena_printf(&cli->arena, "%.1f%%", 100 * json_number_value(cpu)));
        table_add(&table, arena_printf(&cli->arena, "%lld MiB", mib));
        table_add(&table, arena_printf(&cli->arena, "%lld of %lld",
                                       (long long)json_number(one, "requestsInFlight", 0),
                                       (long long)json_number(one, "maxRequests", 0)));
        table_add(&table, age_of(cli, one));
    }
    table_print(&table);
}

int action_instances(struct cli *cli)
{
    struct error err = {0};
    const char *service = cli->in.argument_count > 0 ? cli->in.arguments[0] : NULL;
    if (!session_open(cli, &err)) {
        return cli_fail(&err);
    }
    auto_json *instances = instances_get(cli, service, &err);
    if (instances == NULL) {
        return cli_fail(&err);
    }
    if (!print_formatted(cli, instances)) {
        instances_print(cli, instances);
    }
    return 0;
}
