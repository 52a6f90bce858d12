#include "control/sandbox.h"

#include "base/log.h"
#include "ipc/confine.h"

void control_sandbox_enter(const struct control *control)
{
    const struct confinement_to_folder what = {.dir = control->settings.data};
    struct error err = {0};
    unsigned lacks;
    if (!confine_to_folder(&what, &lacks, &err)) {
        log_warn("no sandbox: %s", err.text);
    } else if (lacks != 0) {
        log_warn("the sandbox is not complete: %s", confinement_lacks(lacks));
    }
}
