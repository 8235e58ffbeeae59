#!/bin/bash
# Builds the C# core, its tests and the probe with Mono: build.sh OUT [core|probe|tests|all]
set -euo pipefail
out=${1:?"say where to build: build.sh OUT"}
what=${2:-all}
here=$(cd "$(dirname "$0")" && pwd)
unity=$(cd "$here/../.." && pwd)
nunit=${HELIOS_NUNIT:-/usr/lib/cli/nunit.framework-2.6.3/nunit.framework.dll}
flags=(-nologo -langversion:6 -warn:4 -warnaserror -debug -optimize+)

mkdir -p "$out"
mcs "${flags[@]}" -target:library -doc:"$out/HeliosWorld.Core.xml" -out:"$out/HeliosWorld.Core.dll" "$unity"/Runtime/Core/*.cs
if [[ $what == all || $what == probe ]]; then
  mcs "${flags[@]}" -r:"$out/HeliosWorld.Core.dll" -out:"$out/probe.exe" "$here"/Probe/*.cs
fi
if [[ $what == all || $what == tests ]]; then
  if [[ ! -f $nunit ]]; then
    echo "NUnit is not at $nunit; apt-get install libnunit-framework2.6.3-cil, or set HELIOS_NUNIT" >&2
    exit 1
  fi
  cp "$nunit" "$out/"
  mcs "${flags[@]}" -target:library -r:"$out/HeliosWorld.Core.dll" -r:"$nunit" \
    -out:"$out/HeliosWorld.Core.Tests.dll" "$unity"/Tests/Core/*.cs
fi
