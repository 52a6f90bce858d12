import com.google.auth.oauth2.ComputeEngineCredentials;
import com.google.auth.oauth2.GoogleCredentials;
import com.google.auth.oauth2.IdTokenCredentials;
import com.google.auth.oauth2.IdTokenProvider;
import com.google.cloud.run.v2.Container;
import com.google.cloud.run.v2.CreateServiceRequest;
import com.google.cloud.run.v2.DeleteServiceRequest;
import com.google.cloud.run.v2.RevisionTemplate;
import com.google.cloud.run.v2.Service;
import com.google.cloud.run.v2.ServicesClient;
import com.google.cloud.run.v2.ServicesSettings;
import com.google.cloud.run.v2.UpdateServiceRequest;
import com.google.iam.v1.Binding;
import com.google.iam.v1.GetIamPolicyRequest;
import com.google.iam.v1.Policy;
import com.google.iam.v1.SetIamPolicyRequest;
import com.google.protobuf.FieldMask;
import java.io.FileInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * A service opened and closed with google-cloud-run, and called with ID tokens that
 * google-auth-library obtained. Everything is in the environment that `homerun env` prints.
 */
public final class Access {
  private static final String IMAGE = "us-docker.pkg.dev/cloudrun/container/hello";
  private static HttpClient http;

  private static SSLContext trustLocalCa() throws Exception {
    KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null);
    try (FileInputStream file = new FileInputStream(System.getenv("HOMERUN_CA"))) {
      store.setCertificateEntry(
          "homerun", CertificateFactory.getInstance("X.509").generateCertificate(file));
    }
    TrustManagerFactory trust =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(store);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, trust.getTrustManagers(), null);
    return context;
  }

  private static int get(String url, String token) throws Exception {
    HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(url));
    if (token != null) {
      request.header("Authorization", "Bearer " + token);
    }
    return http.send(request.build(), BodyHandlers.discarding()).statusCode();
  }

  private static void expect(String what, int got, int wanted) {
    if (got != wanted) {
      throw new AssertionError(what + ": " + got + ", not " + wanted);
    }
  }

  private static String identity(GoogleCredentials from, String audience) throws Exception {
    IdTokenCredentials credentials =
        IdTokenCredentials.newBuilder()
            .setIdTokenProvider((IdTokenProvider) from)
            .setTargetAudience(audience)
            .build();
    credentials.refresh();
    return credentials.getIdToken().getTokenValue();
  }

  private static void setSwitch(ServicesClient services, String name, boolean off)
      throws Exception {
    services
        .updateServiceAsync(
            UpdateServiceRequest.newBuilder()
                .setService(Service.newBuilder().setName(name).setInvokerIamDisabled(off))
                .setUpdateMask(FieldMask.newBuilder().addPaths("invoker_iam_disabled"))
                .build())
        .get();
  }

  private static void setPublic(ServicesClient services, String name, boolean open) {
    Policy now =
        services.getIamPolicy(GetIamPolicyRequest.newBuilder().setResource(name).build());
    Policy.Builder next = now.toBuilder().clearBindings();
    if (open) {
      next.addBindings(Binding.newBuilder().setRole("roles/run.invoker").addMembers("allUsers"));
    }
    services.setIamPolicy(
        SetIamPolicyRequest.newBuilder().setResource(name).setPolicy(next).build());
  }

  public static void main(String[] arguments) throws Exception {
    http = HttpClient.newBuilder().sslContext(trustLocalCa()).build();
    String parent =
        "projects/" + System.getenv("GOOGLE_PROJECT")
            + "/locations/" + System.getenv("GOOGLE_REGION");
    ServicesSettings settings =
        ServicesSettings.newHttpJsonBuilder().setEndpoint(System.getenv("HOMERUN_API")).build();
    try (ServicesClient services = ServicesClient.create(settings)) {
      Service made =
          services
              .createServiceAsync(
                  CreateServiceRequest.newBuilder()
                      .setParent(parent)
                      .setServiceId("java-access")
                      .setService(
                          Service.newBuilder()
                              .setTemplate(
                                  RevisionTemplate.newBuilder()
                                      .addContainers(Container.newBuilder().setImage(IMAGE))))
                      .build())
              .get();
      String name = made.getName();
      String url = made.getUri();
      expect("anonymous", get(url, null), 403);
      GoogleCredentials owner = GoogleCredentials.getApplicationDefault();
      expect("by key file", get(url, identity(owner, url)), 200);
      expect("another audience", get(url, identity(owner, "https://example.com")), 401);
      expect("by metadata", get(url, identity(ComputeEngineCredentials.create(), url)), 200);

      for (int i = 0; i < 20; i++) {
        setSwitch(services, name, true);
        expect("open", get(url, null), 200);
        setSwitch(services, name, false);
        expect("closed", get(url, null), 403);
      }
      for (int i = 0; i < 5; i++) {
        setPublic(services, name, true);
        expect("granted to all", get(url, null), 200);
        setPublic(services, name, false);
        expect("taken back", get(url, null), 403);
      }
      services.deleteServiceAsync(DeleteServiceRequest.newBuilder().setName(name).build()).get();
      expect("deleted", get(url, null), 404);
    }
  }
}
