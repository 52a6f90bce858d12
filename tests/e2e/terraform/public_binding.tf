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
