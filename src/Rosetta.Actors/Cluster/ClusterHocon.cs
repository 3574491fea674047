namespace Rosetta.Actors.Cluster;

/// <summary>The HOCON files of a node, one per concern, beside its assemblies.</summary>
public static class ClusterHocon
{
    /// <summary>The files, in folder <c>hocon</c>.</summary>
    public static IReadOnlyList<string> Files { get; } =
        ["remote.conf", "cluster.conf", "sharding.conf", "shutdown.conf", "serialization.conf", "persistence.conf", "logging.conf"];

    /// <summary>Folder of the files as installed.</summary>
    public static string Directory { get; } = Path.Combine(AppContext.BaseDirectory, "hocon");

    /// <exception cref="FileNotFoundException">A file is missing from the installation.</exception>
    public static IEnumerable<string> Paths() => Files.Select(file =>
    {
        var path = Path.Combine(Directory, file);
        return File.Exists(path)
            ? path
            : throw new FileNotFoundException($"{path} is missing: the installation is incomplete, build or install it again", path);
    });
}
