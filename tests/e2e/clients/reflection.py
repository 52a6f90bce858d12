"""Google's own reflection and health clients over a plain channel: HOMERUN_GRPC is "localhost:8080", HOMERUN_TOKEN a token.

Nothing of a .proto file is used but what the server says of itself, which is then held against the library's descriptors.
"""
import os

import grpc
from google.cloud import run_v2
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

channel = grpc.insecure_channel(os.environ["HOMERUN_GRPC"])
database = ProtoReflectionDescriptorDatabase(channel)
names = database.get_services()
for name in ("google.cloud.run.v2.Services", "google.cloud.run.v2.Revisions", "google.iam.v1.IAMPolicy",
             "google.longrunning.Operations", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
             "google.cloud.orgpolicy.v2.OrgPolicy", "google.logging.v2.LoggingServiceV2"):
    assert name in names, names
assert len(set(names)) == len(names) and "google.cloud.run.v2.WorkerPools" not in names, names
pool = descriptor_pool.DescriptorPool(database)

# Every service, with every message that it takes and gives, can be built from what was said.
for name in names:
    for method in pool.FindServiceByName(name).methods:
        for message in (method.input_type, method.output_type):
            message_factory.GetMessageClass(message)()

# What was said is what the library has.
seen = 0


def same(ours, theirs, done):
    global seen
    if ours.full_name in done:
        return
    done.add(ours.full_name)
    for field in ours.fields:
        if (other := theirs.fields_by_name.get(field.name)) is None:
            continue  # younger than this library
        assert (field.number, field.type, field.json_name, field.is_repeated) == \
            (other.number, other.type, other.json_name, other.is_repeated), (ours.full_name, field.name)
        assert field.has_presence == other.has_presence, (ours.full_name, field.name)
        assert (field.containing_oneof and field.containing_oneof.name) == \
            (other.containing_oneof and other.containing_oneof.name), (ours.full_name, field.name)
        seen += 1
        if field.message_type is not None:
            same(field.message_type, other.message_type, done)
        if field.enum_type is not None:
            assert {value.name: value.number for value in field.enum_type.values} == \
                {value.name: value.number for value in other.enum_type.values}, field.full_name


for kind in (run_v2.Service, run_v2.Revision, run_v2.CreateServiceRequest, run_v2.UpdateServiceRequest):
    theirs = kind.pb(kind()).DESCRIPTOR
    same(pool.FindMessageTypeByName(theirs.full_name), theirs, set())
assert seen > 200, seen

# A call of which only reflection told us how it is written.
method = pool.FindServiceByName("google.cloud.run.v2.Services").methods_by_name["ListServices"]
taken, given = (message_factory.GetMessageClass(one) for one in (method.input_type, method.output_type))
call = channel.unary_unary("/google.cloud.run.v2.Services/ListServices", taken.SerializeToString, given.FromString)
parent = f"projects/{os.environ['GOOGLE_PROJECT']}/locations/{os.environ['GOOGLE_REGION']}"
answer = call(taken(parent=parent), metadata=[("authorization", "Bearer " + os.environ["HOMERUN_TOKEN"])])
assert [one.name for one in answer.services] == [parent + "/services/seen"], json_format.MessageToDict(answer)
try:
    call(taken(parent=parent))
    raise AssertionError("reflection asks for no token, the call itself does")
except grpc.RpcError as why:
    assert why.code() == grpc.StatusCode.UNAUTHENTICATED, why


# Both versions, in one conversation of many questions, and errors that do not end it.
def talk(version, questions, timeout=30):
    stub = channel.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
                                 reflection_pb2.ServerReflectionRequest.SerializeToString,
                                 reflection_pb2.ServerReflectionResponse.FromString)
    return list(stub(iter(questions), timeout=timeout))


Q = reflection_pb2.ServerReflectionRequest
for version in ("v1", "v1alpha"):
    answers = talk(version, [
        Q(host="h", list_services=""), Q(file_containing_symbol="no.such.Thing"), Q(file_by_filename="no/such.proto"),
        Q(file_containing_symbol="google.cloud.run.v2.Services.GetService"), Q(), Q(file_containing_symbol=""),
        Q(file_containing_extension={"containing_type": "google.cloud.run.v2.Service", "extension_number": 4}),
        Q(all_extension_numbers_of_type="google.cloud.run.v2.Service"), Q(all_extension_numbers_of_type="no.Type"),
        Q(file_containing_symbol="google.protobuf.Value"), Q(file_containing_symbol="x" * 60000)])
    kinds = [one.WhichOneof("message_response") for one in answers]
    error, file = "error_response", "file_descriptor_response"
    assert kinds == ["list_services_response", error, error, file, error, error, error, "all_extension_numbers_response",
                     error, file, error], kinds
    assert answers[0].valid_host == "h" and answers[1].original_request.file_containing_symbol == "no.such.Thing"
    assert [one.error_response.error_code for one in answers if one.HasField(error)] == [5, 5, 3, 5, 5, 5, 5], answers
many = talk("v1", [Q(file_containing_symbol="google.cloud.run.v2.Service")] * 300)
assert len(many) == 300 and len({one.SerializeToString() for one in many}) == 1
try:
    talk("v1", [Q(list_services="")] * 1100)
    raise AssertionError("a conversation has no end")
except grpc.RpcError as why:
    assert why.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, why

# Health: asked, and watched.
health = health_pb2_grpc.HealthStub(channel)
S = health_pb2.HealthCheckResponse
assert health.Check(health_pb2.HealthCheckRequest()).status == S.SERVING
for service, status in (("", S.SERVING), ("google.cloud.run.v2.Services", S.SERVING), ("no.such.Service", S.SERVICE_UNKNOWN)):
    watch = health.Watch(health_pb2.HealthCheckRequest(service=service))
    assert next(iter(watch)).status == status, service
    watch.cancel()
for _ in range(200):  # those who leave make room for others
    watch = health.Watch(health_pb2.HealthCheckRequest())
    assert next(iter(watch)).status == S.SERVING
    watch.cancel()
    conversation = channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                                         Q.SerializeToString, lambda data: data)(iter([Q(list_services="")]))
    next(conversation)
    conversation.cancel()
print("told")
