using System.Globalization;

namespace Rosetta.Core.Pipelines;

/// <summary>
/// The <c>application_name</c> of every database session that a pipeline's incarnation opens, at the source and at destinations:
/// <c>rosetta/&lt;installation8&gt;/p&lt;pipeline&gt;/e&lt;epoch&gt;/&lt;purpose&gt;</c>. By it a newer incarnation finds the sessions of the older ones.
/// </summary>
/// <param name="Installation">UUID of the installation; its first eight hexadecimal digits are in the name.</param>
/// <param name="Purpose">A short word, <c>[a-z0-9-]</c>. The whole must stay below PostgreSQL's 63 bytes.</param>
public sealed record SessionName(Guid Installation, long PipelineId, long Epoch, string Purpose)
{
    const int MaxLength = 63;

    /// <summary>What all names of one pipeline begin with, whatever the epoch; ends with a slash. Contains no character special to LIKE.</summary>
    public static string PrefixOf(Guid installation, long pipelineId) =>
        string.Create(CultureInfo.InvariantCulture, $"rosetta/{Short(installation)}/p{pipelineId}/");

    /// <summary>The epoch in a name that begins with <see cref="PrefixOf"/>; null when it is not such a name.</summary>
    public static long? EpochOf(string applicationName, Guid installation, long pipelineId)
    {
        var prefix = PrefixOf(installation, pipelineId) + "e";
        if (!applicationName.StartsWith(prefix, StringComparison.Ordinal))
            return null;
        var rest = applicationName.AsSpan(prefix.Length);
        var slash = rest.IndexOf('/');
        return long.TryParse(slash < 0 ? rest : rest[..slash], NumberStyles.None, CultureInfo.InvariantCulture, out var epoch) ? epoch : null;
    }

    /// <summary>The same incarnation, another purpose.</summary>
    public SessionName For(string purpose) => this with { Purpose = purpose };

    public override string ToString()
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"{PrefixOf(Installation, PipelineId)}e{Epoch}/{Purpose}");
        return name.Length <= MaxLength ? name : name[..MaxLength];
    }

    static string Short(Guid installation) => installation.ToString("N")[..8];
}
