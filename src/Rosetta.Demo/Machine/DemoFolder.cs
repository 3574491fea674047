namespace Rosetta.Demo.Machine;

/// <summary>Where the demo's logs go: removed at the end unless something failed.</summary>
sealed class DemoFolder : IDisposable
{
    bool _kept;

    public string Path { get; } = Directory.CreateTempSubdirectory("rosetta-demo-").FullName;

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public void Keep() => _kept = true;

    public void Dispose()
    {
        if (!_kept)
            Directory.Delete(Path, recursive: true);
    }
}
