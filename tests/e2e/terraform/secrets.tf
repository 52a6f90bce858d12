# A secret, its value, who may read it, and a service that does.
variable "value" {
  type    = string
  default = "a value by Terraform"
}

variable "labels" {
  type    = map(string)
  default = { team = "a" }
}

resource "google_secret_manager_secret" "password" {
  secret_id   = "tf-password"
  labels      = var.labels
  annotations = { owner = "me" }

  replication {
    auto {}
  }
}

resource "google_secret_manager_secret_version" "password" {
  secret      = google_secret_manager_secret.password.id
  secret_data = var.value
}

resource "google_service_account" "reader" {
  account_id = "tf-reader"
}

resource "google_secret_manager_secret_iam_member" "reader" {
  secret_id = google_secret_manager_secret.password.id
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${google_service_account.reader.email}"
}

resource "google_secret_manager_secret" "placed" {
  secret_id = "tf-placed"
  ttl       = "86400s"

  replication {
    user_managed {
      replicas {
        location = "us-east1"
      }
      replicas {
        location = "us-west1"
      }
    }
  }
}

resource "google_secret_manager_secret_iam_binding" "placed" {
  secret_id = google_secret_manager_secret.placed.secret_id
  role      = "roles/secretmanager.viewer"
  members   = ["user:somebody@example.com"]
}

data "google_secret_manager_secret_version" "password" {
  secret     = google_secret_manager_secret.password.id
  depends_on = [google_secret_manager_secret_version.password]
}

data "google_secret_manager_secrets" "all" {
  filter     = "name:tf-"
  depends_on = [google_secret_manager_secret.password, google_secret_manager_secret.placed]
}

resource "google_cloud_run_v2_service" "reader" {
  name                = "tf-reader"
  location            = "us-central1"
  deletion_protection = false

  template {
    service_account = google_service_account.reader.email
    containers {
      image = "us-docker.pkg.dev/cloudrun/container/hello"
      env {
        name = "PASSWORD"
        value_source {
          secret_key_ref {
            secret  = google_secret_manager_secret.password.secret_id
            version = "latest"
          }
        }
      }
    }
  }

  depends_on = [google_secret_manager_secret_version.password,
  google_secret_manager_secret_iam_member.reader]
}

output "value" {
  value = nonsensitive(data.google_secret_manager_secret_version.password.secret_data)
}

output "count" {
  value = length(data.google_secret_manager_secrets.all.secrets)
}
