# A service that everyone may call: by an IAM binding.
resource "google_cloud_run_v2_service" "public" {
  name                = "public-service"
  location            = "us-central1"
  deletion_protection = false

  template {
    containers {
      image = "us-docker.pkg.dev/cloudrun/container/hello"
    }
  }
}

resource "google_cloud_run_service_iam_binding" "public" {
  location = google_cloud_run_v2_service.public.location
  service  = google_cloud_run_v2_service.public.name
  role     = "roles/run.invoker"
  members  = ["allUsers"]
}

data "google_cloud_run_v2_service" "public" {
  name     = google_cloud_run_v2_service.public.name
  location = google_cloud_run_v2_service.public.location
}

data "google_cloud_run_v2_service_iam_policy" "public" {
  name     = google_cloud_run_v2_service.public.name
  location = google_cloud_run_v2_service.public.location

  depends_on = [google_cloud_run_service_iam_binding.public]
}

output "uri" {
  value = data.google_cloud_run_v2_service.public.uri
}

output "policy" {
  value = data.google_cloud_run_v2_service_iam_policy.public.policy_data
}
