#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

json_t *json_of(const char *text)
{
    struct error err = {0};
    json_t *value = json_read(slice_of(text), &err);
    if (value == NULL) {
        fail_msg("%s: %s", err.text, text);
    }
    return value;
}

struct service_view view_of(const json_t *doc)
{
    return (struct service_view){
        .project = "demo",
        .project_number = "123456789012",
        .region = "us-central1",
        .name = "hello",
        .domain = "run.localhost",
        .https_port = 8443,
        .version = 7,
        .doc = doc,
    };
}
