using System.Globalization;
using System.Text;

namespace Rosetta.Postgres.Source;

/// <summary>The names of what Rosetta makes at a source.</summary>
public static class SourceNames
{
    /// <summary>NAMEDATALEN - 1: longer names are cut by the server, and then not found again.</summary>
    const int MaxBytes = 63;

    const string InsertOnlySuffix = "_insert_only";

    /// <summary>A pipeline's slot.</summary>
    public static string Slot(string replicationName, long pipelineId) => Fit(replicationName, Suffix(pipelineId));

    /// <summary>A temporary slot of one incarnation; the epoch in it keeps an older incarnation's from being in the way.</summary>
    /// <param name="purpose">A short word, [a-z0-9_].</param>
    public static string TemporarySlot(string replicationName, long pipelineId, long epoch, string purpose) =>
        Fit(replicationName, string.Create(CultureInfo.InvariantCulture, $"{Suffix(pipelineId)}_e{epoch}_{purpose}"));

    /// <summary>A pipeline's own publication.</summary>
    public static string Publication(string publicationName, long pipelineId) => Fit(publicationName, Suffix(pipelineId));

    /// <summary>A pipeline's own publication for tables without replica identity.</summary>
    public static string InsertOnlyPublication(string publicationName, long pipelineId) =>
        Fit(publicationName, Suffix(pipelineId) + InsertOnlySuffix);

    /// <summary>What belongs to a user's publication and holds the tables without replica identity.</summary>
    public static string InsertOnlyPublication(string publicationName) => Fit(publicationName, InsertOnlySuffix);

    /// <summary>A regular expression for all publications of a source that are ours to read: the user's and those of pipelines.</summary>
    public static string PublicationPattern(string publicationName)
    {
        var name = Escape(publicationName);
        return $"^{name}(_p[0-9]+)?({InsertOnlySuffix})?$";
    }

    /// <summary>A slot's name has lower case letters, digits and underscores only (ReplicationSlotValidateName).</summary>
    public static bool IsSlotName(string name) =>
        name.Length is > 0 and <= MaxBytes && name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '_');

    static string Suffix(long pipelineId) => string.Create(CultureInfo.InvariantCulture, $"_p{pipelineId}");

    static string Fit(string name, string suffix)
    {
        while (Encoding.UTF8.GetByteCount(name) + suffix.Length > MaxBytes)
            name = name[..^(name.Length > 1 && char.IsLowSurrogate(name[^1]) ? 2 : 1)];
        return name + suffix;
    }

    // In PostgreSQL's regular expressions a backslash makes any character that is no letter or digit stand for itself.
    static string Escape(string text)
    {
        var builder = new StringBuilder();
        foreach (var c in text)
        {
            if (c < 128 && !char.IsAsciiLetterOrDigit(c) && c != '_')
                builder.Append('\\');
            builder.Append(c);
        }

        return builder.ToString();
    }
}
