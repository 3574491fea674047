namespace Rosetta.Api.Pipelines;

/// <summary>Body of <c>POST /pipelines/{id}/destinations/{dest_id}/tables/{table}/preview</c>: a table_syncs entry's transform, saved or not.</summary>
/// <param name="Limit">How many rows to show, 1 to 100.</param>
public sealed record PreviewTransform(string? FilterSql = null, string? CustomSql = null, IReadOnlyList<string>? Columns = null, int Limit = 20);

/// <summary>What a transform makes of rows of the source.</summary>
/// <param name="Columns">The columns that the destination's table has.</param>
/// <param name="Rows">Rows that are kept: a text per column as PostgreSQL writes it, null for NULL.</param>
/// <param name="Kept">How many of the rows read pass the filter.</param>
/// <param name="Read">How many rows of the source were looked at.</param>
/// <param name="Warnings">What works, but not in every case, with the SQL that mends it.</param>
public sealed record PreviewAnswer(
    IReadOnlyList<PreviewColumn> Columns, IReadOnlyList<IReadOnlyList<string?>> Rows, int Kept, int Read, IReadOnlyList<string> Warnings);

/// <param name="Type">PostgreSQL type.</param>
/// <param name="Computed">False: the source's bytes, untouched.</param>
public sealed record PreviewColumn(string Name, string Type, bool Computed);
