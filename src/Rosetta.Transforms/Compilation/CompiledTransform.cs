using Rosetta.Core.Tables;
using Rosetta.Transforms.Types;

namespace Rosetta.Transforms.Compilation;

/// <summary>A transform that has been checked and bound: which columns come out, what is read, what DuckDB is asked. Immutable, holds nothing open.</summary>
public sealed record CompiledTransform
{
    internal CompiledTransform(TransformRequest request, IReadOnlyList<OutputColumn> output, string? filter, IReadOnlyList<int> filterReads, IReadOnlyList<string> names)
    {
        Request = request;
        Output = output;
        Computed = [.. output.Where(c => c.IsComputed)];
        Filter = filter;
        FilterReads = filterReads;
        Reads = [.. filterReads.Concat(output.SelectMany(c => c.Reads)).Distinct().Order()];
        Needed = [.. Reads.Concat(output.Where(c => !c.IsComputed).Select(c => c.Source)).Distinct().Order()];
        Names = names;
        ReadTypes = [.. Reads.Select(r => ReadableType.Of(request.Columns[r])!)];
    }

    public TransformRequest Request { get; }

    public TableName Table => Request.Table;

    /// <summary>The source's columns; positions elsewhere count in them.</summary>
    public IReadOnlyList<SourceColumn> Columns => Request.Columns;

    public IReadOnlyList<OutputColumn> Output { get; }

    public IReadOnlyList<OutputColumn> Computed { get; }

    /// <summary>Rows may be left out.</summary>
    public bool HasFilter => Filter is not null;

    /// <summary>Positions of the source columns that decide whether a row is kept.</summary>
    public IReadOnlyList<int> FilterReads { get; }

    /// <summary>Positions of the source columns that filter and expressions read, ascending.</summary>
    public IReadOnlyList<int> Reads { get; }

    /// <summary>Positions of the source columns that have to be fetched: read or passed through.</summary>
    public IReadOnlyList<int> Needed { get; }

    /// <summary>DuckDB has something to do; false for a mere choice of columns.</summary>
    public bool Evaluates => HasFilter || Computed.Count > 0;

    /// <summary>
    /// The part of the filter that PostgreSQL understands exactly alike, as SQL for a WHERE clause; null when there is none. Rows that it lets
    /// pass are still filtered.
    /// </summary>
    public string? Pushdown { get; init; }

    /// <summary>What a user should know about it: it works, but not in every case.</summary>
    public IReadOnlyList<string> Warnings(bool hasFullIdentity)
    {
        if (hasFullIdentity)
            return [];
        var warnings = new List<string>();
        var full = $"ALTER TABLE {Table.ToSql()} REPLICA IDENTITY FULL;";
        var read = Reads.Where(r => Columns[r].MayToast && (FilterReads.Contains(r) || Computed.Any(c => c.Reads.Contains(r) && c.Reads.Count > 1))).Select(r => Columns[r].Name).ToList();
        if (read.Count > 0)
        {
            warnings.Add(
                $"Column {string.Join(", ", read)} may be stored out of line (TOAST); an update that leaves such a value alone does not bring it, and the table would stop there. To make sure: {full}");
        }

        if (HasFilter && Output.Any(c => !c.IsComputed && Columns[c.Source].MayToast))
        {
            warnings.Add(
                $"A row that an update brings into the filter without the values that are stored out of line (TOAST) has to be read again at the source, which takes a moment longer. To spare that: {full}");
        }

        return warnings;
    }

    internal string? Filter { get; }

    /// <summary>Names of the source columns inside DuckDB.</summary>
    internal IReadOnlyList<string> Names { get; }

    internal IReadOnlyList<ReadableType> ReadTypes { get; }

    /// <summary>The statement that evaluates the rows of <paramref name="relation"/>: a row's number first, then the computed columns.</summary>
    /// <param name="asText">Computed columns as text, for people.</param>
    internal string SelectSql(string relation, string number, bool asText = false)
    {
        var columns = Computed.Select(c => asText ? $"CAST({c.Sql} AS VARCHAR)" : c.Sql);
        return $"SELECT {string.Join(", ", columns.Prepend(number))} FROM {relation}{(Filter is null ? "" : $" WHERE {Filter}")}";
    }
}
