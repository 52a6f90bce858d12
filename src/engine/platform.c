#include "engine/platform.h"

#include <string.h>
#include <sys/utsname.h>

enum { LISTED_MAX = 20 };

/* As image configurations name it (GOARCH). */
static const char *own_architecture(void)
{
    static const struct {
        const char *machine, *name;
    } names[] = {{"x86_64", "amd64"},
                 {"aarch64", "arm64"},
                 {"riscv64", "riscv64"},
                 {"ppc64le", "ppc64le"},
                 {"s390x", "s390x"}};
    static struct utsname machine;
    uname(&machine);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(machine.machine, names[i].machine) == 0) {
            return names[i].name;
        }
    }
    return machine.machine;
}

/* What a machine runs besides. */
static bool runs(const char *architecture)
{
    const char *own = own_architecture();
    return strcmp(architecture, own) == 0 ||
           (strcmp(architecture, "386") == 0 && strcmp(own, "amd64") == 0) ||
           (strcmp(architecture, "arm") == 0 && strcmp(own, "arm64") == 0);
}

bool platform_fits(const json_t *image, struct error *err)
{
    const char *os = json_text_or(image, "os", ""), *own = json_text_or(image, "architecture", "");
    if ((*os == '\0' || strcmp(os, "linux") == 0) && (*own == '\0' || runs(own))) {
        return true;
    }
    return error_set(err, STATUS_FAILED_PRECONDITION,
                     "it is for %.40s/%.40s, and this machine is linux/%.40s: build or pull it for "
                     "that platform",
                     *os == '\0' ? "linux" : os, own, own_architecture());
}

const char *platform_missing(struct arena *arena, const json_t *index)
{
    const json_t *manifests = json_object_get(index, "manifests");
    const char *list = "";
    size_t listed = 0;
    for (size_t i = 0; i < json_array_size(manifests) && listed < LISTED_MAX; i++) {
        const json_t *platform = json_object_get(json_array_get(manifests, i), "platform");
        const char *os = json_text_or(platform, "os", "");
        const char *architecture = json_text_or(platform, "architecture", "");
        const char *variant = json_text_or(platform, "variant", "");
        /* Attestations stand in the same list, for "unknown/unknown". */
        if (*architecture != '\0' && strcmp(architecture, "unknown") != 0) {
            list = arena_printf(arena, "%s%s%.40s/%.40s%s%.40s", list, listed == 0 ? "" : ", ", os,
                                architecture, *variant == '\0' ? "" : "/", variant);
            listed++;
        }
    }
    return arena_printf(arena, "it needs linux/%s, and %s%s", own_architecture(),
                        listed == 0 ? "there is no other" : "there are: ", list);
}
