namespace Rosetta.Demo.Machine;

/// <summary>Where the node's program is: built beside this one, in the same configuration.</summary>
static class NodeProgram
{
    const string Project = "Rosetta.Node";

    /// <exception cref="FileNotFoundException">It has not been built.</exception>
    public static string Find()
    {
        // src/Rosetta.Demo/bin/<configuration>/<framework>/
        var own = new DirectoryInfo(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar));
        var source = own.Parent?.Parent?.Parent?.Parent?.FullName ?? own.FullName;
        var program = Path.Combine(source, Project, "bin", own.Parent?.Name ?? "", own.Name, Project + ".dll");
        return File.Exists(program)
            ? program
            : throw new FileNotFoundException($"The node's program is not at {program}: start the demo with './rosetta demo', which builds it.");
    }
}
