namespace Rosetta.Core.Errors;

/// <summary>What is to be done about a failure. <see cref="ErrorPolicy"/> alone decides which it is.</summary>
public enum ErrorClass
{
    /// <summary>Try again with backoff: the server is away, busy, restarting, or chose us as a deadlock's victim.</summary>
    Transient,

    /// <summary>This data cannot be written as it is (class 22, 23, 21, a row trigger's own error): the table concerned stops or the change is parked.</summary>
    Data,

    /// <summary>A table at the destination does not fit or may not be written (42P01, 42703, 42501 on a table, ...): that table stops.</summary>
    Table,

    /// <summary>An operator must act before anything goes on: password, database missing, wal_level, disk full, privileges of the whole connection.</summary>
    Operator,

    /// <summary>A newer incarnation has taken over: stop at once and do nothing more.</summary>
    Fenced,
}

/// <summary>A failure an operator must see: what happened and what to do. Shown alike by API, CLI and dashboard.</summary>
/// <param name="Reason">For the operator; may hold a server's words, which may quote values of rows.</param>
/// <param name="IsGap">Changes that a destination lacks can no longer be had from the slot: only copying again mends it.</param>
public sealed record Fault(ErrorClass Class, string Reason, string? Remedy, string? SqlState = null, bool IsGap = false)
{
    /// <summary>The reason without anything that may quote values of rows.</summary>
    public string ForLog { get; init; } = Reason;
}
