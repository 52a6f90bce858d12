#include "cli/input.h"

#include <stdio.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"

enum { DOCUMENT_BYTES_MAX = 4 * 1024 * 1024 };

static bool standard_input(struct cli *cli, struct slice *out, struct error *err)
{
    struct buffer text = BUFFER_INIT(DOCUMENT_BYTES_MAX);
    char bytes[16384];
    ssize_t got;
    while ((got = read(STDIN_FILENO, bytes, sizeof(bytes))) > 0 &&
           buffer_add(&text, (struct slice){bytes, (size_t)got})) {
    }
    *out = arena_slice(&cli->arena, buffer_slice(&text));
    buffer_done(&text);
    return got == 0 || error_set(err, STATUS_INVALID_ARGUMENT, "standard input: too long");
}

bool text_read(struct cli *cli, const char *path, struct slice *out, struct error *err)
{
    if (strcmp(path, "-") == 0) {
        return standard_input(cli, out, err);
    }
    return file_read(&cli->arena, path, DOCUMENT_BYTES_MAX, out, err);
}

json_t *document_read(struct cli *cli, const char *path, struct error *err)
{
    struct slice text;
    if (!text_read(cli, path, &text, err)) {
        return NULL;
    }
    json_t *value = yaml_read(text, err); /* of which JSON is a part */
    if (value == NULL) {
        error_wrap(err, "%s", path);
    }
    return value;
}

bool confirm(struct cli *cli, const char *question)
{
    if (option_given(&cli->in, "quiet") || isatty(STDIN_FILENO) != 1) {
        return true;
    }
    char line[16] = "";
    fprintf(stderr, "%s (y/N)? ", question);
    fflush(stderr);
    return fgets(line, sizeof(line), stdin) != NULL && (line[0] == 'y' || line[0] == 'Y');
}
