using System.Net.Sockets;
using Rosetta.Core.Destinations;

namespace Rosetta.Core.Errors;

/// <summary>An error that knows its SQLSTATE; both our wire connection's and the library's exceptions are seen through it.</summary>
public interface ISqlStateError
{
    /// <summary>Five characters; null when the failure did not come from the server.</summary>
    string? SqlState { get; }

    /// <summary>What the server said, for the operator: it may quote values of rows, so it is shown and never logged. The message may be logged.</summary>
    string Words { get; }
}

/// <summary>An incarnation met a newer epoch. It stops; it never asks for a newer epoch by itself.</summary>
public sealed class FencedException(string where, long ourEpoch)
    : Exception($"Epoch {ourEpoch} is no longer the newest at {where}: another incarnation of this pipeline has taken over.")
{
    public long OurEpoch { get; } = ourEpoch;
}

/// <summary>A failure that carries its own classification and remedy.</summary>
public class FaultException(Fault fault, Exception? cause = null) : Exception(fault.ForLog, cause)
{
    public Fault Fault { get; } = fault;
}

/// <summary>The one table that maps a failure to what is done about it (SQLSTATEs from PostgreSQL's appendix A). Nowhere else decides.</summary>
public static class ErrorPolicy
{
    public static ErrorClass Classify(Exception error)
    {
        for (var e = error; e is not null; e = e.InnerException)
        {
            switch (e)
            {
                case FencedException:
                    return ErrorClass.Fenced;
                case TableRewrittenException:
                    return ErrorClass.Transient;
                case FaultException fault:
                    return fault.Fault.Class;
                case ISqlStateError { SqlState: { } state }:
                    return Classify(state);
                case System.Data.Common.DbException { SqlState: { } dbState }:
                    return Classify(dbState);
                case SocketException { SocketErrorCode: SocketError.HostNotFound }:
                    // A name that does not resolve may be a resolver that is away; it is shown, and tried again.
                    return ErrorClass.Transient;
            }
        }

        return ErrorClass.Transient;
    }

    /// <param name="sqlState">Five characters.</param>
    public static ErrorClass Classify(string sqlState) => sqlState switch
    {
        "40001" or "40P01" or "55P03" or "57014" or "25P03" or "25P04" or "57P01" or "57P02" or "57P03" or "57P05" => ErrorClass.Transient,
        "53100" => ErrorClass.Operator,
        "55006" => ErrorClass.Transient,
        "28000" or "28P01" or "3D000" or "0A000" or "3F000" => ErrorClass.Operator,
        "42501" or "42P01" or "42703" or "42804" or "42P10" or "42883" or "42704" or "42P17" or "42809" or "428C9" => ErrorClass.Table,
        "55000" => ErrorClass.Operator,
        // Bytes that the column's type does not read: it is another type than the sender takes it for.
        "22P03" or "22P04" => ErrorClass.Table,
        _ => sqlState[..2] switch
        {
            // 25: the state of the transaction, above all 25006: the server became a standby, or the database is read-only.
            "08" or "25" or "53" or "58" or "XX" or "57" or "40" => ErrorClass.Transient,
            "22" or "23" or "21" or "44" or "P0" or "27" => ErrorClass.Data,
            "28" => ErrorClass.Operator,
            "42" => ErrorClass.Table,
            _ => ErrorClass.Data,
        },
    };

    public static Fault ToFault(Exception error, string? remedy = null)
    {
        string? state = null;
        var (message, forLog) = (WordsOf(error), error.Message);
        for (var e = error; e is not null; e = e.InnerException)
        {
            if (e is FaultException fault)
                return fault.Fault;
            state ??= (e as ISqlStateError)?.SqlState ?? (e as System.Data.Common.DbException)?.SqlState;
            if (e.InnerException is not { } cause || e is ISqlStateError)
                continue;
            message = With(message, WordsOf(cause));
            forLog = With(forLog, cause.Message);
        }

        return new Fault(Classify(error), message, remedy, state) { ForLog = forLog };
    }

    static string WordsOf(Exception error) => error is ISqlStateError server ? server.Words : error.Message;

    static string With(string message, string cause) => message.Contains(cause, StringComparison.Ordinal) ? message : $"{message}: {cause}";
}
