/*
 * The codec for tests in other languages. A line "read TYPE HEX" is answered by the document, and
 * "write TYPE DOCUMENT" by the message in HEX; what is refused, by "! " and why.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "grpc/message.h"

enum { MESSAGE_MAX = 16 << 20 };

static size_t unhex(char *text)
{
    size_t len = 0;
    unsigned byte;
    for (; sscanf(text + 2 * len, "%2x", &byte) == 1; len++) {
        text[len] = (char)byte;
    }
    return len;
}

static void answer_read(const struct proto_message *type, char *text)
{
    struct error err = {0};
    auto_arena arena = {0};
    auto_json *document = proto_read(type, (struct slice){text, unhex(text)}, &err);
    if (document == NULL) {
        printf("! %s\n", err.text);
        return;
    }
    auto_json *holder = json_pack("[O]", document);
    printf("%.*s\n", SLICE_ARG(json_write(&arena, holder)));
}

static void answer_write(const struct proto_message *type, const char *text)
{
    struct error err = {0};
    auto_arena arena = {0};
    struct buffer out = BUFFER_INIT(MESSAGE_MAX);
    const char *unknown = NULL;
    auto_json *holder = json_read(slice_of(text), &err);
    if (holder == NULL || !proto_write(type, json_array_get(holder, 0), &out, &unknown, &err) ||
        unknown != NULL) {
        printf("! %s %s\n", err.text, unknown == NULL ? "" : unknown);
    } else {
        printf("%.*s\n", SLICE_ARG(hex_encode(&arena, buffer_slice(&out))));
    }
    buffer_done(&out);
}

int main(void)
{
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) > 0) {
        char *rest = line;
        char *verb = strsep(&rest, " ");
        char *name = strsep(&rest, " ");
        const struct proto_message *type = name == NULL ? NULL : proto_message_find(slice_of(name));
        if (type == NULL || rest == NULL) {
            printf("! no such line\n");
        } else if (strcmp(verb, "read") == 0) {
            answer_read(type, rest);
        } else {
            answer_write(type, rest);
        }
        fflush(stdout);
    }
    free(line);
    return 0;
}
