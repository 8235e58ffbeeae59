using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("HeliosWorld.Core.Tests")]
