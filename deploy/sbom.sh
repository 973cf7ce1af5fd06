#!/bin/sh
# What an image is made of, as SPDX 2.3 (JSON): traind and every Debian package that is installed where this runs. It takes
# dpkg alone, for an image has neither Python nor jq.
#
#   deploy/sbom.sh [VERSION] > sbom.spdx.json
#
# SOURCE_DATE_EPOCH, where it is set, is the time that the document says it was made at.
set -eu

version=${1:-$(traind --version | cut -d' ' -f2)}
created=$(date -u -d "@${SOURCE_DATE_EPOCH:-$(date +%s)}" +%Y-%m-%dT%H:%M:%SZ)
. /etc/os-release

# Names of packages have nothing in them that JSON would want escaped; an SPDX id may have letters, digits, - and . only, a
# purl wants + and ~ and : of versions in percent.
packages() {
  dpkg-query -W -f '${db:Status-Status} ${Package} ${Version} ${Architecture}\n' | awk -v os="$ID-$VERSION_ID" '
    function purl(text) { gsub(/\+/, "%2B", text); gsub(/~/, "%7E", text); gsub(/:/, "%3A", text); return text }
    $1 == "installed" {
      id = $2; gsub(/[^A-Za-z0-9.-]/, "-plus", id)
      printf ",\n    {\"SPDXID\": \"SPDXRef-deb-%s-%s\", \"name\": \"%s\", \"versionInfo\": \"%s\",", id, $4, $2, $3
      printf " \"downloadLocation\": \"NOASSERTION\", \"filesAnalyzed\": false,\n     \"externalRefs\": [{"
      printf "\"referenceCategory\": \"PACKAGE-MANAGER\", \"referenceType\": \"purl\","
      printf " \"referenceLocator\": \"pkg:deb/debian/%s@%s?arch=%s&distro=%s\"}]}", purl($2), purl($3), $4, os
    }'
}
relationships() {
  dpkg-query -W -f '${db:Status-Status} ${Package} ${Architecture}\n' | awk '
    $1 == "installed" {
      id = $2; gsub(/[^A-Za-z0-9.-]/, "-plus", id)
      printf ",\n    {\"spdxElementId\": \"SPDXRef-traind\", \"relationshipType\": \"DEPENDS_ON\","
      printf " \"relatedSpdxElement\": \"SPDXRef-deb-%s-%s\"}", id, $3
    }'
}

cat <<END_OF_SPDX
{
  "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
  "name": "traind-$version", "documentNamespace": "urn:uuid:$(cat /proc/sys/kernel/random/uuid)",
  "creationInfo": {"created": "$created", "creators": ["Tool: traind-deploy-sbom-$version"]},
  "packages": [
    {"SPDXID": "SPDXRef-traind", "name": "traind", "versionInfo": "$version", "downloadLocation": "NOASSERTION",
     "filesAnalyzed": false, "licenseConcluded": "Apache-2.0", "licenseDeclared": "Apache-2.0",
     "primaryPackagePurpose": "APPLICATION"}$(packages)
  ],
  "relationships": [
    {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-traind"}$(relationships)
  ]
}
END_OF_SPDX
