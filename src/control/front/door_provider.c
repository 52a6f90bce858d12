/* Identity providers on the pages of the door. */
#include "control/front/door_inside.h"

void door_providers_add(struct api_call *call, struct door_page *page, const struct login *login)
{
    (void)call, (void)page, (void)login;
}

const char *door_provider_sign_out(struct api_call *call, const struct session *session)
{
    (void)call, (void)session;
    return NULL;
}
