#!/usr/bin/env python3
"""Writes src/grpc/schema.txt: numbers, names and kinds of Google's messages, enums and methods, one a line.

What is written are facts that a program needs on the wire; nothing of the .proto files' text is kept.

    npm pack google-proto-files && tar xf google-proto-files-*.tgz
    apt-get install protobuf-compiler; pip install protobuf googleapis-common-protos
    tools/protos_to_schema.py package src/grpc/schema.txt

usage: protos_to_schema.py PROTO-FOLDER OUT
"""
import pathlib
import re
import subprocess
import sys
import tempfile

from google.api import annotations_pb2
from google.protobuf import descriptor_pb2

PROTOS = """
google/cloud/run/v2/service.proto google/cloud/run/v2/revision.proto google/cloud/run/v2/job.proto
google/cloud/run/v2/execution.proto google/cloud/run/v2/task.proto google/cloud/run/v2/worker_pool.proto
google/cloud/run/v2/build.proto google/cloud/run/v2/instance.proto
google/iam/v1/iam_policy.proto google/iam/admin/v1/iam.proto google/iam/credentials/v1/iamcredentials.proto
google/longrunning/operations.proto google/cloud/orgpolicy/v2/orgpolicy.proto
google/cloud/resourcemanager/v3/projects.proto google/cloud/resourcemanager/v3/folders.proto
google/cloud/resourcemanager/v3/organizations.proto google/cloud/resourcemanager/v3/tag_keys.proto
google/cloud/resourcemanager/v3/tag_values.proto google/cloud/resourcemanager/v3/tag_bindings.proto
google/cloud/resourcemanager/v3/tag_holds.proto
google/logging/v2/logging.proto google/cloud/secretmanager/v1/service.proto
google/rpc/error_details.proto google/rpc/status.proto
""".split()

# grpc.health.v1 and grpc.reflection.v1, which come in no package of Google's API files.
OWN = {
    "grpc/health/v1/health.proto": """
syntax = "proto3"; package grpc.health.v1;
message HealthCheckRequest { string service = 1; }
message HealthCheckResponse {
  enum ServingStatus { UNKNOWN = 0; SERVING = 1; NOT_SERVING = 2; SERVICE_UNKNOWN = 3; }
  ServingStatus status = 1;
}
service Health {
  rpc Check(HealthCheckRequest) returns (HealthCheckResponse);
  rpc Watch(HealthCheckRequest) returns (stream HealthCheckResponse);
}
""",
}
REFLECTION = """
syntax = "proto3"; package grpc.reflection.%s;
message ExtensionRequest { string containing_type = 1; int32 extension_number = 2; }
message ServerReflectionRequest {
  string host = 1;
  oneof message_request {
    string file_by_filename = 3; string file_containing_symbol = 4;
    ExtensionRequest file_containing_extension = 5; string all_extension_numbers_of_type = 6; string list_services = 7;
  }
}
message FileDescriptorResponse { repeated bytes file_descriptor_proto = 1; }
message ExtensionNumberResponse { string base_type_name = 1; repeated int32 extension_number = 2; }
message ServiceResponse { string name = 1; }
message ListServiceResponse { repeated ServiceResponse service = 1; }
message ErrorResponse { int32 error_code = 1; string error_message = 2; }
message ServerReflectionResponse {
  string valid_host = 1; ServerReflectionRequest original_request = 2;
  oneof message_response {
    FileDescriptorResponse file_descriptor_response = 4; ExtensionNumberResponse all_extension_numbers_response = 5;
    ListServiceResponse list_services_response = 6; ErrorResponse error_response = 7;
  }
}
service ServerReflection {
  rpc ServerReflectionInfo(stream ServerReflectionRequest) returns (stream ServerReflectionResponse);
}
"""
for version in ("v1", "v1alpha"):
    OWN[f"grpc/reflection/{version}/reflection.proto"] = REFLECTION % version

# Where these methods stand in the REST form of the APIs that have them as guests; their own files name no such path.
OPERATION = "projects/*/locations/*/operations/*"
RULES = {
    "google.longrunning.Operations/GetOperation":
        [("GET", "/v2/{name=%s}" % OPERATION, ""), ("GET", "/v3/{name=operations/*}", "")],
    "google.longrunning.Operations/WaitOperation": [("POST", "/v2/{name=%s}:wait" % OPERATION, "*")],
    "google.longrunning.Operations/ListOperations": [("GET", "/v2/{name=projects/*/locations/*}/operations", "")],
    "google.longrunning.Operations/DeleteOperation": [("DELETE", "/v2/{name=%s}" % OPERATION, "")],
    "grpc.health.v1.Health/Check": [("GET", "/homerun/v1/health", "")],
    "grpc.health.v1.Health/Watch": [("GET", "/homerun/v1/health:watch", "")],
    "grpc.reflection.v1.ServerReflection/ServerReflectionInfo": [("POST", "/homerun/v1/reflection", "*")],
    "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": [("POST", "/homerun/v1alpha/reflection", "*")],
    "google.iam.v1.IAMPolicy/GetIamPolicy": [],
    "google.iam.v1.IAMPolicy/SetIamPolicy": [],
    "google.iam.v1.IAMPolicy/TestIamPermissions": [],
}
for verb in ("GetIamPolicy", "SetIamPolicy", "TestIamPermissions"):
    small = verb[0].lower() + verb[1:]
    rules = RULES["google.iam.v1.IAMPolicy/" + verb]
    run = "/v2/{resource=projects/*/locations/*/services/*}:" + small
    rules.append(("GET", run, "") if verb == "GetIamPolicy" else ("POST", run, "*"))
    for where in ("projects/*", "folders/*", "organizations/*", "tagKeys/*", "tagValues/*"):
        rules.append(("POST", "/v3/{resource=%s}:%s" % (where, small), "*"))
    rules.append(("POST", "/v1/{resource=projects/*/serviceAccounts/*}:" + small, "*"))

F = descriptor_pb2.FieldDescriptorProto
KINDS = {
    F.TYPE_DOUBLE: "double", F.TYPE_FLOAT: "float", F.TYPE_INT64: "int64", F.TYPE_UINT64: "uint64",
    F.TYPE_INT32: "int32", F.TYPE_FIXED64: "fixed64", F.TYPE_FIXED32: "fixed32", F.TYPE_BOOL: "bool",
    F.TYPE_STRING: "string", F.TYPE_BYTES: "bytes", F.TYPE_UINT32: "uint32", F.TYPE_SFIXED32: "sfixed32",
    F.TYPE_SFIXED64: "sfixed64", F.TYPE_SINT32: "sint32", F.TYPE_SINT64: "sint64",
}


def describe(folder):
    with tempfile.TemporaryDirectory() as scratch:
        for name, text in OWN.items():
            path = pathlib.Path(scratch, "own", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        out = pathlib.Path(scratch, "set")
        subprocess.run(["protoc", "-I", folder, "-I", f"{scratch}/own", "--include_imports",
                        f"--descriptor_set_out={out}", *PROTOS, *OWN], check=True)
        return descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())


def kind_of(field, maps):
    name = field.type_name.lstrip(".")
    if name in maps:
        key, value = maps[name]
        return f"map:{kind_of(key, maps)}:{kind_of(value, maps)}"
    if field.type == F.TYPE_MESSAGE:
        return name
    if field.type == F.TYPE_ENUM:
        return "enum:" + name
    return KINDS[field.type]


def snake(name):
    return re.sub(r"([A-Z])", lambda match: "_" + match[1].lower(), name)


def walk(message, prefix, messages, enums, maps):
    name = f"{prefix}.{message.name}"
    if message.options.map_entry:
        maps[name] = message.field[0], message.field[1]
        return
    messages[name] = message
    for inner in message.nested_type:
        walk(inner, name, messages, enums, maps)
    for enum in message.enum_type:
        enums[f"{name}.{enum.name}"] = enum


def words_of(field, message, maps):
    yield str(field.number)
    yield field.json_name
    yield kind_of(field, maps)
    if field.label == F.LABEL_REPEATED and field.type_name.lstrip(".") not in maps:
        yield "repeated"
    elif field.proto3_optional:
        yield "optional"
    elif field.HasField("oneof_index"):
        yield f"oneof={message.oneof_decl[field.oneof_index].name}"
    if snake(field.json_name) != field.name:
        yield f"proto={field.name}"


def rules_of(method):
    options = method.options.Extensions[annotations_pb2.http]
    for rule in [options, *options.additional_bindings]:
        verb = rule.WhichOneof("pattern")
        if verb and verb != "custom":
            yield verb.upper(), getattr(rule, verb), rule.body


def main():
    folder, out = sys.argv[1:]
    files = describe(folder)
    messages, enums, maps, methods = {}, {}, {}, {}
    for file in files.file:
        for message in file.message_type:
            walk(message, file.package, messages, enums, maps)
        for enum in file.enum_type:
            enums[f"{file.package}.{enum.name}"] = enum
        for service in file.service:
            for method in service.method:
                methods[f"{file.package}.{service.name}/{method.name}"] = method
    # Only what a method or an error can carry.
    wanted, queue = set(), [f"google.rpc.{name}" for name in ("Status", "ErrorInfo", "BadRequest", "PreconditionFailure",
                                                             "QuotaFailure", "Help", "LocalizedMessage", "RetryInfo")]
    queue += [name for name in messages if name.startswith("google.cloud.resourcemanager.v3.")]
    queue += ["google.protobuf." + name for name in ("Any", "Empty", "Struct", "Value", "ListValue", "FieldMask")]
    for method in methods.values():
        queue += [method.input_type.lstrip("."), method.output_type.lstrip(".")]
    while queue:
        name = queue.pop()
        if name in wanted or name not in messages and name not in enums:
            continue
        wanted.add(name)
        for field in messages[name].field if name in messages else ():
            for one in maps.get(field.type_name.lstrip("."), [field]):
                queue.append(one.type_name.lstrip("."))
    lines = ["# Messages, enums and methods of Google's APIs: made by tools/protos_to_schema.py, which says how.", ""]
    for name in sorted(wanted & messages.keys()):
        lines.append("message " + name)
        for field in sorted(messages[name].field, key=lambda field: field.number):
            lines.append("  " + " ".join(words_of(field, messages[name], maps)))
    for name in sorted(wanted & enums.keys()):
        lines.append("enum " + name)
        lines += [f"  {value.number} {value.name}" for value in enums[name].value]
    for name, method in sorted(methods.items()):
        flags = [" client-stream"] * method.client_streaming + [" server-stream"] * method.server_streaming
        lines.append(f"method {name} {method.input_type[1:]} {method.output_type[1:]}{''.join(flags)}")
        lines += [f"  {verb} {path} {body}".rstrip() for verb, path, body in RULES.get(name) or rules_of(method)]
    pathlib.Path(out).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
