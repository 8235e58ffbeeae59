#!/usr/bin/env bash
# Compiles the whole package with Mono, against stand-ins for Unity's assemblies, as several Unitys would: build.sh OUT
set -euo pipefail

out=${1:?usage: build.sh OUT}
tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
package=$(dirname "$tests")
nunit=${HELIOS_NUNIT:-/usr/lib/cli/nunit.framework-2.6.3/nunit.framework.dll}
mkdir -p "$out"
out=$(cd "$out" && pwd)

# compile NAME FOLDER [mcs arguments …]
compile() {
    local name=$1 folder=$2
    shift 2
    mcs -nologo -target:library -warnaserror -langversion:latest -lib:"$out" "$@" -out:"$folder/$name.dll"
}

stubs() {
    compile UnityEngine "$out" "$tests"/Stubs/UnityEngine.{Core,Values,Graphics}.cs
    compile UnityEngine.UI "$out" -r:UnityEngine.dll "$tests/Stubs/UnityEngine.UI.cs"
    compile Unity.InputSystem "$out" -r:UnityEngine.dll "$tests/Stubs/Unity.InputSystem.cs"
    compile UnityEditor "$out" -r:UnityEngine.dll "$tests/Stubs/UnityEditor.cs"
}

# variant NAME SYMBOLS: runtime, editor and sample as a Unity with these symbols compiles them, into OUT/NAME
variant() {
    local name=$1 symbols=$2 into="$out/$1" parts=(-r:HeliosWorld.Core.dll -r:UnityEngine.dll) input=()
    mkdir -p "$into"
    case ";$symbols;" in *";HELIOS_UGUI;"*) parts+=(-r:UnityEngine.UI.dll) ;; esac
    compile HeliosWorld.Unity "$into" "-define:$symbols" "${parts[@]}" "$package"/Runtime/Unity/*.cs
    parts+=("-r:$into/HeliosWorld.Unity.dll")
    case ";$symbols;" in *";ENABLE_INPUT_SYSTEM;"*)
        compile HeliosWorld.InputSystem "$into" "-define:$symbols" "${parts[@]}" -r:Unity.InputSystem.dll "$package"/Runtime/InputSystem/*.cs
        parts+=("-r:$into/HeliosWorld.InputSystem.dll" -r:Unity.InputSystem.dll) ;;
    esac
    compile HeliosWorld.Editor "$into" "-define:$symbols" "${parts[@]}" -r:UnityEditor.dll "$package"/Editor/*.cs
    case ";$symbols;" in *";HELIOS_UGUI;"*)
        compile HeliosWorld.Samples.FirstPerson "$into" "-define:$symbols" "${parts[@]}" "$package"/Samples~/FirstPerson/*.cs ;;
    esac
    echo "compiled: $name ($symbols)"
}

unity_tests() {
    local into="$out/unity2022"
    cp "$out"/{HeliosWorld.Core,UnityEngine,UnityEngine.UI,UnityEditor,Unity.InputSystem}.dll "$nunit" "$into"
    compile HeliosWorld.Unity.Tests "$into" -lib:"$into" -r:nunit.framework.dll -r:HeliosWorld.Core.dll -r:HeliosWorld.Unity.dll \
        -r:HeliosWorld.InputSystem.dll -r:HeliosWorld.Editor.dll -r:HeliosWorld.Samples.FirstPerson.dll -r:UnityEngine.dll \
        -r:UnityEngine.UI.dll -r:UnityEditor.dll -r:Unity.InputSystem.dll "$tests"/Unity/*.cs
}

stubs
compile HeliosWorld.Core "$out" "$package"/Runtime/Core/*.cs
v2019="UNITY_2019_4_OR_NEWER"
v2022="$v2019;UNITY_2020_1_OR_NEWER;UNITY_2021_1_OR_NEWER;UNITY_2022_1_OR_NEWER;UNITY_2022_2_OR_NEWER"
v6="$v2022;UNITY_2023_1_OR_NEWER;UNITY_6000_0_OR_NEWER"
variant unity2019 "$v2019;ENABLE_LEGACY_INPUT_MANAGER;HELIOS_UGUI"
variant unity2022 "$v2022;ENABLE_LEGACY_INPUT_MANAGER;ENABLE_INPUT_SYSTEM;HELIOS_INPUT_SYSTEM;HELIOS_UGUI"
variant unity6 "$v6;ENABLE_INPUT_SYSTEM;HELIOS_INPUT_SYSTEM;HELIOS_UGUI"
variant bare "$v2019"
unity_tests
