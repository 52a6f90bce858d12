# Accounts, keys, the project's policy, and tokens for a call.
variable "display_name" {
  type    = string
  default = "Calls services"
}

variable "disabled" {
  type    = bool
  default = false
}

resource "google_service_account" "caller" {
  account_id   = "caller"
  display_name = var.display_name
  description  = "One <caller> & no more"
  disabled     = var.disabled
}

resource "google_service_account_key" "caller" {
  service_account_id = google_service_account.caller.name
}

resource "google_project_iam_member" "caller" {
  project = "demo"
  role    = "roles/run.invoker"
  member  = google_service_account.caller.member
}

data "google_service_account" "caller" {
  account_id = google_service_account.caller.account_id
}

data "google_service_account_key" "caller" {
  name            = google_service_account_key.caller.name
  public_key_type = "TYPE_X509_PEM_FILE"
}

data "google_project" "here" {
}

output "number" {
  value = data.google_project.here.number
}

output "certificate" {
  value = base64decode(data.google_service_account_key.caller.public_key)
}
