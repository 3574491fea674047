using Xunit;

namespace Rosetta.Testing.Tests.Servers;

/// <summary>A fact that is skipped, saying so, where a program is not installed.</summary>
public sealed class FactNeedingAttribute : FactAttribute
{
    public FactNeedingAttribute(params string[] programs) => Skip = Programs.Missing(programs);
}

/// <summary>A theory that is skipped, saying so, where a program is not installed.</summary>
public sealed class TheoryNeedingAttribute : TheoryAttribute
{
    public TheoryNeedingAttribute(params string[] programs) => Skip = Programs.Missing(programs);
}

static class Programs
{
    public static string? Missing(string[] programs)
    {
        var folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries);
        var missing = programs.Where(p => !folders.Any(f => File.Exists(Path.Combine(f, p)))).ToArray();
        return missing.Length == 0 ? null : $"not installed: {string.Join(", ", missing)}";
    }
}
