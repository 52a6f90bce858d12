/*
 * One binary: `homerun ROLE` with the supervisor's descriptors in the environment is one of the
 * processes; anything else is the command line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "cli/cli.h"
#include "control/control.h"
#include "control/front/routes.h"
#include "engine/engine.h"
#include "ingress/ingress.h"
#include "metadata/metadata.h"
#include "signer/signer.h"

static const struct {
    const char *role;
    int (*main)(int argc, char **argv);
} roles[] = {
    {"control", control_main},   {"engine", engine_main}, {"ingress", ingress_main},
    {"metadata", metadata_main}, {"signer", signer_main}, {NULL, NULL},
};

int main(int argc, char **argv)
{
    if (getenv("HOMERUN_FDS") != NULL && argc == 2) {
        for (size_t i = 0; roles[i].role != NULL; i++) {
            if (strcmp(argv[1], roles[i].role) == 0) {
                char name[16];
                snprintf(name, sizeof(name), "homerun-%s", roles[i].role);
                prctl(PR_SET_NAME, name, 0, 0, 0);
                return roles[i].main(argc, argv);
            }
        }
        fprintf(stderr, "homerun: this program has no role \"%s\"\n", argv[1]);
        return 2;
    }
    /* Not a command for people: docs/api.md and the tests are made from it. */
    if (argc > 1 && strcmp(argv[1], "routes") == 0) {
        return routes_main(argc, argv);
    }
    return cli_main(argc, argv);
}
