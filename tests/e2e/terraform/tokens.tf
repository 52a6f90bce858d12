# Tokens of an account, minted for the caller of a service. They differ from run to run: no output.
resource "google_service_account" "minted" {
  account_id = "minted"
}

resource "google_cloud_run_v2_service" "called" {
  name                = "called"
  location            = "us-central1"
  deletion_protection = false

  template {
    containers {
      image = "us-docker.pkg.dev/cloudrun/container/hello"
    }
  }
}

resource "google_cloud_run_v2_service_iam_member" "minted" {
  location = google_cloud_run_v2_service.called.location
  name     = google_cloud_run_v2_service.called.name
  role     = "roles/run.invoker"
  member   = google_service_account.minted.member
}

data "google_service_account_id_token" "minted" {
  target_service_account = google_service_account.minted.email
  target_audience        = google_cloud_run_v2_service.called.uri
  include_email          = true
}

data "google_service_account_access_token" "minted" {
  target_service_account = google_service_account.minted.email
  scopes                 = ["cloud-platform"]
  lifetime               = "300s"
}
