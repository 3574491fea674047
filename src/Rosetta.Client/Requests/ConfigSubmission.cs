namespace Rosetta.Client.Requests;

/// <summary>Body of <c>POST /config/diff</c> and <c>/config/apply</c>.</summary>
/// <param name="Yaml">The file as it is.</param>
/// <param name="Secrets">The values of its references: <c>env:NAME</c>, <c>file:/path</c>.</param>
/// <param name="Prune">Whether what the file does not have is to be deleted.</param>
public sealed record ConfigSubmission(string Yaml, IReadOnlyDictionary<string, string> Secrets, bool Prune)
{
    // The default would print secrets.
    public override string ToString() => $"configuration of {Yaml.Length} characters with {Secrets.Count} secrets";
}
