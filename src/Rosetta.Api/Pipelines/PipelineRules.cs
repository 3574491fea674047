using FluentValidation;
using Rosetta.Api.Presets;
using Rosetta.Api.Sources;
using Rosetta.Core.Tables;

namespace Rosetta.Api.Pipelines;

sealed class CreatePipelineValidator : AbstractValidator<CreatePipeline>
{
    public CreatePipelineValidator() => RuleFor(p => p.Name).IsName();
}

sealed class ChangePipelineValidator : AbstractValidator<ChangePipeline>
{
    public ChangePipelineValidator() => RuleFor(p => p.Name).IsName();
}

sealed class AttachDestinationValidator : AbstractValidator<AttachDestination>
{
    public AttachDestinationValidator()
    {
        RuleFor(a => a.Snapshot).IsSnapshotChoice();
        RuleFor(a => a.TableSyncs).IsChoiceOfTables();
        RuleFor(a => a.PresetId).Must((body, id) => id is null || body.TableSyncs is null).WithMessage(TableChoices.Twice);
    }
}

sealed class ReplaceTableSyncsValidator : AbstractValidator<ReplaceTableSyncs>
{
    public ReplaceTableSyncsValidator()
    {
        RuleFor(r => r.TableSyncs).IsChoiceOfTables();
        RuleFor(r => r.PresetId).Must((body, id) => id is null || body.TableSyncs is null).WithMessage(TableChoices.Twice);
    }
}

/// <summary>Rules of a pipeline's destination, wherever it is described.</summary>
static class PipelineDestinationRules
{
    public static IRuleBuilderOptions<T, string?> IsSnapshotChoice<T>(this IRuleBuilder<T, string?> rule) =>
        rule.Must(s => s is null or "initial" or "none").WithMessage("must be initial or none");

    /// <summary>What can be said of a filter or SELECT without the table.</summary>
    public static void IsTransformSql<T>(this IRuleBuilder<T, string?> rule) => rule
        .Must(sql => sql is null || (sql.Length <= MostSql && !string.IsNullOrWhiteSpace(sql) && !sql.Contains('\0', StringComparison.Ordinal)))
        .WithMessage($"must be null, or SQL of at most {MostSql} characters");

    const int MostSql = 16 * 1024;

    public static void IsChoiceOfTables<T>(this IRuleBuilderInitial<T, IReadOnlyList<TableSyncBody>?> rule) => rule
        .Must(TableSyncValidator.AreDistinct).WithMessage(TableSyncValidator.NamedTwice)
        .ForEach(sync => sync.SetValidator(new TableSyncValidator()));
}

sealed class TableSyncValidator : AbstractValidator<TableSyncBody>
{
    public const string NamedTwice = "names a table twice";

    const string OfOneTable = "can be given for a single table only, not for a pattern";

    const string NameForm = "must be schema.table, or a pattern with *; a part that contains . \" or * is written in double quotes";

    public TableSyncValidator()
    {
        RuleFor(t => t.TableName).Must(IsTableOrPattern).WithMessage(NameForm);
        RuleFor(t => t.TableNameTarget).Must((sync, target) => target is null || IsTarget(sync, target))
            .WithMessage("must be schema.table or table; for a pattern: schema.*");
        RuleFor(t => t.Columns).Must(c => c is null || (c.Count > 0 && c.All(n => n.Length > 0) && c.Distinct().Count() == c.Count))
            .WithMessage("must be null (all columns) or a list of different column names");
        RuleFor(t => t.Columns).Must((sync, columns) => columns is null || !TablePattern.IsPattern(sync.TableName))
            .WithMessage(OfOneTable);
        RuleFor(t => t.FilterSql).IsTransformSql();
        RuleFor(t => t.CustomSql).IsTransformSql();
        RuleFor(t => t.FilterSql).Must((sync, sql) => sql is null || !TablePattern.IsPattern(sync.TableName)).WithMessage(OfOneTable);
        RuleFor(t => t.CustomSql).Must((sync, sql) => sql is null || !TablePattern.IsPattern(sync.TableName)).WithMessage(OfOneTable);
        TableOptionRules.AddTo(this);
    }

    public static bool AreDistinct(IReadOnlyList<TableSyncBody>? syncs) =>
        syncs is null || syncs.Select(s => Canonical(s.TableName)).Distinct(StringComparer.Ordinal).Count() == syncs.Count;

    /// <summary>The plain form of a table's name, so that <c>orders</c>, <c>public.orders</c> and <c>"public"."orders"</c> are one.</summary>
    public static string Canonical(string name) =>
        !TablePattern.IsPattern(name) && TableName.TryParse(name, out var table) ? table.ToString() : name;

    static bool IsTableOrPattern(string name) =>
        name.Length <= 400 && (TablePattern.IsPattern(name) ? TablePattern.TryParse(name, out _) : TableName.TryParse(name, out _));

    static bool IsTarget(TableSyncBody sync, string target) => TablePattern.IsPattern(sync.TableName)
        ? target.EndsWith(".*", StringComparison.Ordinal) && TableName.TryParse(target[..^2] + ".x", out _)
        : !TablePattern.IsPattern(target) && TableName.TryParse(target, out _);
}
