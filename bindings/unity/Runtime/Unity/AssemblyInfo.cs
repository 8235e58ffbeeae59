using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("HeliosWorld.Unity.Tests")]
[assembly: InternalsVisibleTo("HeliosWorld.Editor")]
