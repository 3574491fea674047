using System.Text;
using FluentValidation;
using Rosetta.Core.Options;

namespace Rosetta.Api.Pipelines;

/// <summary>The options of a choice of table: what they may say, and how they are kept.</summary>
static class TableOptionRules
{
    static readonly string[] Changes = ["update", "delete", "truncate"];
    static readonly string[] Metadata = ["commit_time", "lsn", "operation"];

    public static void AddTo(AbstractValidator<TableSyncBody> rules)
    {
        rules.RuleFor(t => t.DeleteMode).Must(m => m is "hard" or "soft").WithMessage("must be hard or soft");
        rules.RuleFor(t => t.DeletedColumn).Must((sync, column) => column is null || sync.DeleteMode == "soft").WithMessage("is for delete_mode soft only");
        rules.RuleFor(t => t.DeletedColumn).IsColumnName();
        rules.RuleFor(t => t.DeletedType).Must(t => t is null or "timestamp" or "boolean").WithMessage("must be timestamp or boolean");
        rules.RuleFor(t => t.DeletedType).Must((sync, type) => type is null || sync.DeleteMode == "soft").WithMessage("is for delete_mode soft only");
        rules.RuleFor(t => t.Ignore).Must(i => AreOf(Changes, i)).WithMessage("must be a list of different ones of update, delete, truncate");
        rules.RuleFor(t => t.Ignore).Must((sync, ignore) => sync.DeleteMode != "soft" || ignore is null || !ignore.Contains("delete"))
            .WithMessage("cannot have delete together with delete_mode soft: a delete is either marked or ignored");
        rules.RuleFor(t => t.Metadata).Must(m => AreOf(Metadata, m)).WithMessage("must be a list of different ones of commit_time, lsn, operation");
        rules.RuleFor(t => t.MetadataNames!.CommitTime).IsColumnName().When(t => t.MetadataNames is not null);
        rules.RuleFor(t => t.MetadataNames!.Lsn).IsColumnName().When(t => t.MetadataNames is not null);
        rules.RuleFor(t => t.MetadataNames!.Operation).IsColumnName().When(t => t.MetadataNames is not null);
        rules.RuleFor(t => t.MetadataNames).Must((sync, names) => names is null || Named(names).All(n => sync.Metadata?.Contains(n.Word) == true))
            .WithMessage("names a column that metadata does not have");
        rules.RuleFor(t => t.Metadata).Must((sync, _) => AreDistinct(ToOptions(sync))).WithMessage("gives two of the added columns one name");
    }

    /// <summary>As they are stored; null for none.</summary>
    public static TableOptions? ToOptions(TableSyncBody sync)
    {
        string? Name(string word, string? name, string otherwise) => sync.Metadata?.Contains(word) == true ? name ?? otherwise : null;
        var byFlag = sync is { DeleteMode: "soft", DeletedType: "boolean" };
        var options = new TableOptions
        {
            DeletedColumn = sync.DeleteMode == "soft" ? sync.DeletedColumn ?? TableOptions.DefaultDeletedName(byFlag) : null,
            MarksByFlag = byFlag,
            Ignore = (sync.Ignore ?? []).Aggregate(IgnoredChanges.None, (all, word) => all | word switch
            {
                "update" => IgnoredChanges.Update, "delete" => IgnoredChanges.Delete, "truncate" => IgnoredChanges.Truncate, _ => IgnoredChanges.None,
            }),
            CommitTimeColumn = Name("commit_time", sync.MetadataNames?.CommitTime, TableOptions.DefaultCommitTimeColumn),
            LsnColumn = Name("lsn", sync.MetadataNames?.Lsn, TableOptions.DefaultLsnColumn),
            OperationColumn = Name("operation", sync.MetadataNames?.Operation, TableOptions.DefaultOperationColumn),
            WithIndexes = sync.WithIndexes,
        };
        return options == TableOptions.None ? null : options;
    }

    /// <summary>As the API shows them: names only where they are not the default's.</summary>
    public static TableSyncBody WithOptions(this TableSyncBody body, TableOptions? options)
    {
        if (options is null || options == TableOptions.None) return body;
        static string? Other(string? name, string otherwise) => name == otherwise ? null : name;
        var names = new MetadataNames(
            Other(options.CommitTimeColumn, TableOptions.DefaultCommitTimeColumn), Other(options.LsnColumn, TableOptions.DefaultLsnColumn),
            Other(options.OperationColumn, TableOptions.DefaultOperationColumn));
        return body with
        {
            DeleteMode = options.SoftDeletes ? "soft" : "hard",
            DeletedColumn = Other(options.DeletedColumn, TableOptions.DefaultDeletedName(options.MarksByFlag)),
            DeletedType = options.MarksByFlag ? "boolean" : null,
            Ignore = options.IgnoredWords is { Count: > 0 } ignored ? ignored : null,
            Metadata = options.MetadataNames is { Count: > 0 } metadata ? [.. metadata.Select(m => m.Word)] : null,
            WithIndexes = options.WithIndexes,
            MetadataNames = names == new MetadataNames() ? null : names,
        };
    }

    static IRuleBuilderOptions<T, string?> IsColumnName<T>(this IRuleBuilder<T, string?> rule) => rule
        .Must(n => n is null || (n.Length > 0 && Encoding.UTF8.GetByteCount(n) <= 63 && !n.Contains('\0', StringComparison.Ordinal)))
        .WithMessage("must be a column's name of 1 to 63 bytes");

    static bool AreOf(string[] words, IReadOnlyList<string>? given) =>
        given is null || (given.All(words.Contains) && given.Distinct().Count() == given.Count);

    static IEnumerable<(string Word, string Name)> Named(MetadataNames names) =>
        new[] { ("commit_time", names.CommitTime), ("lsn", names.Lsn), ("operation", names.Operation) }.Where(n => n.Item2 is not null).Select(n => (n.Item1, n.Item2!));

    static bool AreDistinct(TableOptions? options) => options is null || options.ColumnNames.Distinct().Count() == options.ColumnNames.Count();
}
