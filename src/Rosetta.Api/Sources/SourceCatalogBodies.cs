using FluentValidation;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Catalog;
using Rosetta.Postgres.Source;

namespace Rosetta.Api.Sources;

/// <summary>A table of a source.</summary>
/// <param name="Table">Name within the schema, as in the catalog.</param>
/// <param name="ReplicaIdentity">default, nothing, full or index.</param>
/// <param name="EstimatedRows">Null when the source has no estimate.</param>
/// <param name="Published">In the source's own publication, or one of a pipeline.</param>
public sealed record SourceTableAnswer(
    string Schema,
    string Table,
    IReadOnlyList<SourceColumnAnswer> Columns,
    IReadOnlyList<string> PrimaryKey,
    string ReplicaIdentity,
    long? EstimatedRows,
    long EstimatedBytes,
    bool Published)
{
    internal static SourceTableAnswer From(SourceTable table) => new(
        table.Name.Schema,
        table.Name.Name,
        [.. table.Description.Columns.Select(c => new SourceColumnAnswer(c.Name, c.TypeSql, !c.NotNull))],
        table.Description.PrimaryKey,
        table.Description.ReplicaIdentity switch { 'n' => "nothing", 'f' => "full", 'i' => "index", _ => "default" },
        table.Description.EstimatedRows < 0 ? null : table.Description.EstimatedRows,
        table.Description.EstimatedBytes,
        table.IsPublished);
}

public sealed record SourceColumnAnswer(string Name, string Type, bool Nullable);

/// <summary>What a preflight found.</summary>
/// <param name="Ok">Nothing of severity error.</param>
public sealed record PreflightAnswer(bool Ok, IReadOnlyList<FindingAnswer> Findings)
{
    internal static PreflightAnswer From(PreflightReport report) => new(
        report.Ok,
        [
            .. report.Findings.Select(f => new FindingAnswer(
                f.Severity.ToString().ToLowerInvariant(), f.Check, f.Detail, f.FixSql, f.Table?.ToString())),
        ]);
}

/// <param name="Severity">error, warning or info.</param>
/// <param name="Check">A short constant name.</param>
/// <param name="FixSql">The SQL that mends it; null when SQL cannot.</param>
/// <param name="Table">The one table it concerns; null: the whole source.</param>
public sealed record FindingAnswer(string Severity, string Check, string Detail, string? FixSql, string? Table);

/// <summary>Body of <c>POST /sources/{id}/publication</c>: one of the two.</summary>
/// <param name="Tables">schema.table each.</param>
/// <param name="AllUserTables">Every table there is now.</param>
public sealed record CreatePublication(IReadOnlyList<string>? Tables = null, bool AllUserTables = false);

/// <param name="Tables">Tables all of whose changes are published.</param>
/// <param name="InsertOnly">Tables without replica identity: of these inserts and truncates only.</param>
public sealed record PublicationAnswer(string Publication, IReadOnlyList<string> Tables, IReadOnlyList<string> InsertOnly);

sealed class CreatePublicationValidator : AbstractValidator<CreatePublication>
{
    public CreatePublicationValidator()
    {
        RuleFor(p => p.Tables).Must((body, tables) => body.AllUserTables ? tables is null : tables is { Count: > 0 })
            .WithMessage("name at least one table, or set all_user_tables to true without a list");
        RuleForEach(p => p.Tables).Must(t => TableName.TryParse(t, out _)).WithMessage("must be schema.table");
    }
}
