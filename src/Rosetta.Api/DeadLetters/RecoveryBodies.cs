using System.Text.Json;
using System.Text.Json.Nodes;
using FluentValidation;
using Rosetta.Core.Errors;
using Rosetta.Core.Tables;
using Rosetta.Store.Jobs;

namespace Rosetta.Api.DeadLetters;

/// <summary>Body of <c>POST recover-dlq</c>.</summary>
/// <param name="Table">Only of this table of the source; null: of all.</param>
/// <param name="ErrorClass">Only what met an error of this class, with what has to be applied together with it: TRANSIENT, DATA, TABLE or OPERATOR; null: any.</param>
public sealed record StartRecovery(string? Table = null, string? ErrorClass = null);

/// <summary>Body of <c>POST dlq/{entry_id}/retry</c>.</summary>
/// <param name="New">Other values for the new row: an object of column and text, or null for NULL. Null: the row as it is.</param>
/// <param name="DryRun">Shows what would be done, and changes nothing.</param>
public sealed record RetryEntry(JsonObject? New = null, bool DryRun = false);

/// <summary>Body of <c>POST dlq/{entry_id}/discard</c>.</summary>
/// <param name="Reason">Is kept in the audit.</param>
public sealed record DiscardEntry(string Reason);

/// <summary>Body of <c>POST dlq/discard</c>: a table, an error class, or both.</summary>
/// <param name="Reason">Is kept in the audit.</param>
public sealed record DiscardEntries(string Reason, string? Table = null, string? ErrorClass = null);

sealed class StartRecoveryValidator : AbstractValidator<StartRecovery>
{
    public StartRecoveryValidator()
    {
        RuleFor(b => b.Table).Must(RecoveryRules.IsTable).WithMessage(RecoveryRules.Table);
        RuleFor(b => b.ErrorClass).Must(RecoveryRules.IsClass).WithMessage(RecoveryRules.ErrorClass);
    }
}

sealed class RetryEntryValidator : AbstractValidator<RetryEntry>
{
    public RetryEntryValidator() => RuleFor(b => b.New)
        .Must(values => values is null || (values.Count > 0 && values.All(v => v.Value is null || v.Value.GetValueKind() == JsonValueKind.String)))
        .WithMessage("must be null (the row as it is) or an object of columns, each with its value as text, or null for NULL");
}

sealed class DiscardEntryValidator : AbstractValidator<DiscardEntry>
{
    public DiscardEntryValidator() => RuleFor(b => b.Reason).Must(RecoveryRules.IsReason).WithMessage(RecoveryRules.Reason);
}

sealed class DiscardEntriesValidator : AbstractValidator<DiscardEntries>
{
    public DiscardEntriesValidator()
    {
        RuleFor(b => b.Reason).Must(RecoveryRules.IsReason).WithMessage(RecoveryRules.Reason);
        RuleFor(b => b.Table).Must(RecoveryRules.IsTable).WithMessage(RecoveryRules.Table);
        RuleFor(b => b.Table).Must((b, _) => b.Table is not null || b.ErrorClass is not null).WithMessage("is required, or error_class: everything at once is not discarded");
        RuleFor(b => b.ErrorClass).Must(RecoveryRules.IsClass).WithMessage(RecoveryRules.ErrorClass);
    }
}

static class RecoveryRules
{
    public const string Table = "must be null or schema.table";
    public const string ErrorClass = "must be null, TRANSIENT, DATA, TABLE or OPERATOR";
    public const string Reason = "must say why, in at most 1000 characters: it is kept in the audit";

    public static bool IsTable(string? table) => table is null || (table.Length <= 400 && TableName.TryParse(table, out _));

    public static bool IsReason(string reason) => !string.IsNullOrWhiteSpace(reason) && reason.Length <= 1000;

    public static bool IsClass(string? errorClass) => errorClass is null || ToClass(errorClass) is not null;

    public static ErrorClass? ToClass(string? errorClass) => errorClass?.ToUpperInvariant() switch
    {
        "TRANSIENT" => Core.Errors.ErrorClass.Transient,
        "DATA" => Core.Errors.ErrorClass.Data,
        "TABLE" => Core.Errors.ErrorClass.Table,
        "OPERATOR" => Core.Errors.ErrorClass.Operator,
        _ => null,
    };

    public static string? ToTable(string? table) => table is null ? null : TableName.Parse(table).ToString();
}

/// <summary>An order about dead letters was taken.</summary>
public sealed record RecoveryStartedAnswer(string RecoveryId);

/// <summary>An order about dead letters, and how far it is.</summary>
/// <param name="Kind">RECOVER, RETRY or DISCARD.</param>
/// <param name="State">PENDING, EXECUTING, COMPLETED, FAILED or CANCELLED.</param>
/// <param name="Remaining">Changes that are still to be tried.</param>
/// <param name="Lost">Changes recorded at the destination whose payload is not in the store any more: only a copy of the table mends that.</param>
/// <param name="Waiting">Why it does not get on at the moment, and what to do.</param>
/// <param name="Result">Of a dry run: what it would do, against which row; of a retry that failed: what it met.</param>
public sealed record RecoveryAnswer(
    string RecoveryId, string Kind, string State, string? Table, string? ErrorClass, string? Entry, bool DryRun, string? Reason, long Recovered, long Failed, long Remaining, long Lost,
    long Discarded, string? Waiting, string? Error, JsonElement? Result, string? RequestedBy, DateTime CreatedAt, DateTime? StartedAt, DateTime? FinishedAt)
{
    internal static RecoveryAnswer From(RecoveryOrder order, string? waiting = null) => new(
        $"{order.Id}", order.Request.Kind.ToString().ToUpperInvariant(), order.Status, order.Request.Table, LetterAnswer.NameOf(order.Request.Class), order.Request.Entry,
        order.Request.DryRun, order.Request.Reason, order.Counts.Recovered, order.Counts.Failed, order.Counts.Remaining, order.Counts.Lost, order.Counts.Discarded,
        order.IsOpen ? order.Waiting ?? waiting : null, order.Error, order.Result is null ? null : JsonSerializer.Deserialize<JsonElement>(order.Result), order.RequestedBy, order.CreatedAt,
        order.StartedAt, order.FinishedAt);
}
