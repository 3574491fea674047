using System.Buffers.Binary;
using System.Text;

namespace Rosetta.Postgres.Wire;

/// <summary>The start of a connection: startup message, authentication, and what the server tells until it is ready.</summary>
sealed class PgStartup(PgEndpoint endpoint, PgTransport transport, WireReader reader, WireWriter writer)
{
    const int ProtocolVersion3 = 196608;

    public async ValueTask AuthenticateAsync(CancellationToken cancellationToken)
    {
        WriteStartupMessage();
        await FlushAsync(cancellationToken);
        ScramClient? scram = null;
        bool proved = false;
        while (true)
        {
            WireMessage message = await reader.NextAsync(cancellationToken);
            if (message.Code == Backend.Error)
                throw new PgServerException(PgServerMessage.Parse(message.Body));
            if (message.Code is Backend.Notice or Backend.NegotiateVersion)
                continue;
            if (message.Code != Backend.Authentication || message.Length < 4)
                throw new PgConnectionException($"What answers at {endpoint} is not a PostgreSQL server (message 0x{message.Code:x2} during authentication)");

            switch (BinaryPrimitives.ReadInt32BigEndian(message.Body))
            {
                case 0 when scram is not null && !proved:
                    throw new PgConnectionException($"The server at {endpoint} broke off SCRAM before it proved that it knows the password: it may not be the server you mean");
                case 0:
                    return;
                case 3:
                    SendPassword(Password());
                    break;
                case 5:
                    SendPassword(Md5Password.Answer(endpoint.User, Password(), message.Body.Slice(4, 4)));
                    break;
                case 10:
                    scram = StartScram(message.Body[4..]);
                    break;
                case 11 when scram is not null:
                    ContinueScram(scram, Encoding.UTF8.GetString(message.Body[4..]));
                    break;
                case 12 when scram is not null:
                    FinishScram(scram, Encoding.UTF8.GetString(message.Body[4..]));
                    proved = true;
                    continue;
                case int method:
                    throw new PgConnectionException(
                        $"The server at {endpoint} asks for an authentication method that is not supported ({Name(method)}): use scram-sha-256, md5 or password in its pg_hba.conf");
            }

            await FlushAsync(cancellationToken);
        }
    }

    ValueTask FlushAsync(CancellationToken cancellationToken) => writer.FlushAsync(transport.Stream, endpoint.ToString(), cancellationToken);

    void WriteStartupMessage()
    {
        int mark = writer.Length;
        writer.WriteInt32(0);
        writer.WriteInt32(ProtocolVersion3);
        Parameter("user", endpoint.User);
        Parameter("database", endpoint.Database);
        Parameter("application_name", endpoint.ApplicationName);
        Parameter("client_encoding", "UTF8");
        foreach ((string name, string value) in endpoint.StartupParameters)
            Parameter(name, value);
        writer.WriteByte(0);
        writer.PatchInt32(mark, writer.Length - mark);
    }

    void Parameter(string name, string value)
    {
        writer.WriteString(name);
        writer.WriteString(value);
    }

    string Password() => endpoint.Password
        ?? throw new PgConnectionException($"The server at {endpoint} asks for a password and none is configured");

    void SendPassword(string password)
    {
        int mark = writer.Begin(Frontend.Password);
        writer.WriteString(password);
        writer.End(mark);
    }

    ScramClient StartScram(ReadOnlySpan<byte> mechanisms)
    {
        string[] offered = Encoding.ASCII.GetString(mechanisms).Split('\0', StringSplitOptions.RemoveEmptyEntries);
        bool plus = offered.Contains(ScramClient.MechanismPlus);
        if (!plus && !offered.Contains(ScramClient.Mechanism))
            throw new PgConnectionException($"The server at {endpoint} offers only SASL mechanisms that are not supported: {string.Join(", ", offered)}");

        var scram = new ScramClient(Password(), plus, ChannelBinding.CertificateHash(transport.Stream));
        byte[] first = Encoding.UTF8.GetBytes(scram.ClientFirst);
        int mark = writer.Begin(Frontend.Password);
        writer.WriteString(scram.UsesChannelBinding ? ScramClient.MechanismPlus : ScramClient.Mechanism);
        writer.WriteInt32(first.Length);
        writer.Write(first);
        writer.End(mark);
        return scram;
    }

    void ContinueScram(ScramClient scram, string serverFirst)
    {
        try
        {
            int mark = writer.Begin(Frontend.Password);
            writer.WriteText(scram.ClientFinal(serverFirst));
            writer.End(mark);
        }
        catch (FormatException e)
        {
            throw new PgConnectionException($"Authentication at {endpoint} failed: {e.Message}", e);
        }
    }

    void FinishScram(ScramClient scram, string serverFinal)
    {
        bool genuine;
        try
        {
            genuine = scram.IsServerGenuine(serverFinal);
        }
        catch (FormatException e)
        {
            throw new PgConnectionException($"Authentication at {endpoint} failed: {e.Message}", e);
        }

        if (!genuine)
            throw new PgConnectionException($"The server at {endpoint} could not prove that it knows the password of '{endpoint.User}': it may not be the server you mean");
    }

    static string Name(int method) => method switch
    {
        2 => "Kerberos V5",
        6 => "SCM credentials",
        7 or 8 => "GSSAPI",
        9 => "SSPI",
        _ => $"number {method}",
    };
}
