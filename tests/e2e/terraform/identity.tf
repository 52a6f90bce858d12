# Accounts, keys and the project's policy.
resource "google_service_account" "caller" {
  account_id   = "caller"
  display_name = "Calls services"
}

resource "google_service_account_key" "caller" {
  service_account_id = google_service_account.caller.name
}

resource "google_project_iam_member" "caller" {
  project = "demo"
  role    = "roles/run.invoker"
  member  = google_service_account.caller.member
}

data "google_project" "here" {
}

output "number" {
  value = data.google_project.here.number
}
