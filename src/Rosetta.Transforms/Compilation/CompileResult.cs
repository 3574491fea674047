namespace Rosetta.Transforms.Compilation;

/// <summary>A compiled transform, or what is wrong with it.</summary>
public sealed record CompileResult(CompiledTransform? Transform, IReadOnlyList<TransformProblem> Problems)
{
    /// <summary>The problems in one line.</summary>
    public string Describe() => string.Join("; ", Problems.Select(p => $"{p.Field}: {p.Message}"));
}
