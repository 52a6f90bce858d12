#!/usr/bin/env python3
"""gcloud's commands for pools of workload identities and their OpenID providers."""
from gcloud_stand import gcloud, gcloud_json
from homerun import main, test

PROVIDER = ("--location=global", "--workload-identity-pool=builds")


@test
def gcloud_makes_lists_and_describes_pools_and_providers():
    pools = "iam workload-identity-pools"
    gcloud(f"{pools} create builds --location=global --display-name=Builds").has("Created workload identity pool [builds]")
    gcloud(f"{pools} providers create-oidc ci-jobs --issuer-uri=https://idp.example "
           "--attribute-mapping=google.subject=assertion.sub " + " ".join(PROVIDER)).has("[ci-jobs]")
    listed = gcloud_json(f"{pools} list --location=global")
    described = gcloud_json(f"{pools} describe builds --location=global")
    assert listed == [described] and described["displayName"] == "Builds", (listed, described)
    listed = gcloud_json(f"{pools} providers list " + " ".join(PROVIDER))
    described = gcloud_json(f"{pools} providers describe ci-jobs " + " ".join(PROVIDER))
    assert listed == [described] and described["oidc"]["issuerUri"] == "https://idp.example", (listed, described)


if __name__ == "__main__":
    main()
