import com.google.api.gax.rpc.ApiException;
import com.google.api.gax.rpc.StatusCode;
import com.google.cloud.run.v2.Container;
import com.google.cloud.run.v2.JobsClient;
import com.google.cloud.run.v2.RevisionTemplate;
import com.google.cloud.run.v2.Service;
import com.google.cloud.run.v2.ServicesClient;
import com.google.cloud.run.v2.UpdateServiceRequest;
import com.google.iam.v1.Binding;
import com.google.iam.v1.GetIamPolicyRequest;
import com.google.iam.v1.Policy;
import com.google.iam.v1.SetIamPolicyRequest;
import com.google.protobuf.FieldMask;

/** google-cloud-run with its default transport, which is gRPC; nothing is set by hand. */
public final class ByGrpc {
  private static void require(boolean holds, Object what) {
    if (!holds) {
      throw new AssertionError(String.valueOf(what));
    }
  }

  private static void refused(StatusCode.Code code, Runnable call) {
    try {
      call.run();
    } catch (ApiException why) {
      require(why.getStatusCode().getCode() == code, why);
      return;
    }
    throw new AssertionError("not refused: " + code);
  }

  public static void main(String[] arguments) throws Exception {
    String parent =
        "projects/" + System.getenv("GOOGLE_PROJECT")
            + "/locations/" + System.getenv("GOOGLE_REGION");
    String name = parent + "/services/java-grpc";
    Service service =
        Service.newBuilder()
            .setTemplate(
                RevisionTemplate.newBuilder()
                    .addContainers(
                        Container.newBuilder()
                            .setImage("us-docker.pkg.dev/cloudrun/container/hello")))
            .build();
    try (ServicesClient services = ServicesClient.create()) {
      Service made = services.createServiceAsync(parent, service, "java-grpc").get();
      require(made.getName().equals(name), made);
      require(services.getService(name).equals(made), made);
      require(services.listServices(parent).iterateAll().iterator().next().equals(made), made);
      for (boolean open : new boolean[] {true, false}) {
        Service updated =
            services
                .updateServiceAsync(
                    UpdateServiceRequest.newBuilder()
                        .setService(
                            Service.newBuilder().setName(name).setInvokerIamDisabled(open))
                        .setUpdateMask(FieldMask.newBuilder().addPaths("invoker_iam_disabled"))
                        .build())
                .get();
        require(updated.getInvokerIamDisabled() == open, updated);
      }
      Policy policy =
          services.getIamPolicy(GetIamPolicyRequest.newBuilder().setResource(name).build());
      Policy changed =
          services.setIamPolicy(
              SetIamPolicyRequest.newBuilder()
                  .setResource(name)
                  .setPolicy(
                      policy.toBuilder()
                          .addBindings(
                              Binding.newBuilder()
                                  .setRole("roles/run.invoker")
                                  .addMembers("allUsers")))
                  .build());
      require(changed.getBindings(0).getMembers(0).equals("allUsers"), changed);
      refused(StatusCode.Code.NOT_FOUND, () -> services.getService(parent + "/services/none"));
      try (JobsClient jobs = JobsClient.create()) {
        refused(StatusCode.Code.UNIMPLEMENTED, () -> jobs.getJob(parent + "/jobs/none"));
      }
      services.deleteServiceAsync(name).get();
    }
  }
}
