/* Pasted commands: whatever they are, what is read of them is no longer than they were. */
#include <assert.h>
#include <stdint.h>

#include "http/curl_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_arena arena = {0};
    struct slice text = {(const char *)data, size};
    struct curl_line line;
    if (curl_line_read(&arena, text, &line, NULL)) {
        assert(line.authority.len > 0 && line.target.data[0] == '/');
        assert(line.header_count <= CURL_HEADERS_MAX);
        size_t bytes = 0;
        for (size_t i = 0; i < line.header_count; i++) {
            bytes += line.headers[i].name.len;
            assert(line.headers[i].command.len <= size);
        }
        assert(bytes <= size + CURL_HEADERS_MAX * sizeof("authorization"));
    }
    curl_command_flag(text, "audience");
    return 0;
}
