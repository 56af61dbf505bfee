//! Numeric replies by their names, each with its parameters in order (RFC 2812 section 5; Modern,
//! "Numerics"; those of IRCv3 and those that only Modern has say so).
//!
//! `<client>` is the nick of whom it is sent to, `*` before there is one; `text` is for people, and
//! whoever sends it chooses the words.

use std::fmt;

/// The number of a reply, as it stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numeric(&'static str);

impl Numeric {
    /// Its three digits.
    pub const fn code(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Numeric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

macro_rules! numerics {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        $($(#[$doc])* pub const $name: Numeric = Numeric($code);)*

        #[cfg(test)]
        const ALL: &[(&str, Numeric)] = &[$((stringify!($name), $name)),*];
    };
}

numerics! {
    /// Registered: `<client> :text` with `nick!user@host`.
    RPL_WELCOME = "001";
    /// `<client> :text` with the server's name and version.
    RPL_YOURHOST = "002";
    /// `<client> :text` with the time the server was started.
    RPL_CREATED = "003";
    /// `<client> <server> <version> <user modes> <channel modes> [<those with arguments>]`.
    RPL_MYINFO = "004";
    /// `<client> <1 to 13 tokens> :are supported by this server` (Modern).
    RPL_ISUPPORT = "005";
    /// `<client> <host> <port> :text`: go elsewhere.
    RPL_BOUNCE = "010";
    /// STATS l: `<client> <link> <sendq> <sent> <KiB> <received> <KiB> <seconds>`.
    RPL_STATSLINKINFO = "211";
    /// STATS m: `<client> <command> <count> [<bytes> <remote count>]`.
    RPL_STATSCOMMANDS = "212";
    /// `<client> <letter> :text`.
    RPL_ENDOFSTATS = "219";
    /// `<client> <user modes>`.
    RPL_UMODEIS = "221";
    /// STATS u: `<client> :Server Up <days> days <h>:<mm>:<ss>`.
    RPL_STATSUPTIME = "242";
    /// STATS o: `<client> O <host mask> * <name>`.
    RPL_STATSOLINE = "243";
    /// `<client> :text` with the most connections there have been.
    RPL_STATSCONN = "250";
    /// `<client> :text` with users, invisible ones and servers.
    RPL_LUSERCLIENT = "251";
    /// `<client> <operators> :text`.
    RPL_LUSEROP = "252";
    /// `<client> <connections not registered> :text`.
    RPL_LUSERUNKNOWN = "253";
    /// `<client> <channels> :text`.
    RPL_LUSERCHANNELS = "254";
    /// `<client> :text` with clients and servers of this one.
    RPL_LUSERME = "255";
    /// `<client> [<server>] :text`: what follows is about whom.
    RPL_ADMINME = "256";
    /// `<client> :text`: where the server is.
    RPL_ADMINLOC1 = "257";
    /// `<client> :text`: whose it is.
    RPL_ADMINLOC2 = "258";
    /// `<client> :text`: how to reach them.
    RPL_ADMINEMAIL = "259";
    /// `<client> <server> <version> :text`.
    RPL_TRACEEND = "262";
    /// `<client> <command> :text`: not now.
    RPL_TRYAGAIN = "263";
    /// `<client> <users> <most users> :text` of this server (Modern).
    RPL_LOCALUSERS = "265";
    /// `<client> <users> <most users> :text` of all servers (Modern).
    RPL_GLOBALUSERS = "266";
    /// `<client> <nick> :text` with the fingerprint of a certificate (Modern).
    RPL_WHOISCERTFP = "276";
    /// Nothing; its parameters are not defined.
    RPL_NONE = "300";
    /// `<client> <nick> :message`.
    RPL_AWAY = "301";
    /// `<client> :[<nick>[*]=(+|-)<host> ...]`, at most five.
    RPL_USERHOST = "302";
    /// `<client> :[<nick> ...]`.
    RPL_ISON = "303";
    /// `<client> :text`.
    RPL_UNAWAY = "305";
    /// `<client> :text`.
    RPL_NOWAWAY = "306";
    /// `<client> <nick> :text` (Modern).
    RPL_WHOISREGNICK = "307";
    /// `<client> <nick> <user> <host> * :real name`.
    RPL_WHOISUSER = "311";
    /// `<client> <nick> <server> :what the server is`.
    RPL_WHOISSERVER = "312";
    /// `<client> <nick> :text`.
    RPL_WHOISOPERATOR = "313";
    /// `<client> <nick> <user> <host> * :real name`.
    RPL_WHOWASUSER = "314";
    /// `<client> <mask> :text`.
    RPL_ENDOFWHO = "315";
    /// `<client> <nick> <seconds idle> <signed on, Unix time> :text`.
    RPL_WHOISIDLE = "317";
    /// `<client> <nick> :text`.
    RPL_ENDOFWHOIS = "318";
    /// `<client> <nick> :[<prefix>]<channel> ...`.
    RPL_WHOISCHANNELS = "319";
    /// `<client> <nick> :anything` (Modern).
    RPL_WHOISSPECIAL = "320";
    /// `<client> Channel :Users  Name`.
    RPL_LISTSTART = "321";
    /// `<client> <channel> <members> :topic`.
    RPL_LIST = "322";
    /// `<client> :text`.
    RPL_LISTEND = "323";
    /// `<client> <channel> <modes> <arguments> ...`.
    RPL_CHANNELMODEIS = "324";
    /// `<client> <channel> <nick>`.
    RPL_UNIQOPIS = "325";
    /// `<client> <channel> <Unix time>` (Modern).
    RPL_CREATIONTIME = "329";
    /// `<client> <nick> <account> :text` (Modern).
    RPL_WHOISACCOUNT = "330";
    /// `<client> <channel> :text`.
    RPL_NOTOPIC = "331";
    /// `<client> <channel> :topic`.
    RPL_TOPIC = "332";
    /// `<client> <channel> <who set it> <Unix time>` (Modern).
    RPL_TOPICWHOTIME = "333";
    /// `<client> <nick> :text` (IRCv3 bot-mode).
    RPL_WHOISBOT = "335";
    /// `<client> <channel>`: one you are invited to (Modern).
    RPL_INVITELIST = "336";
    /// `<client> :text` (Modern).
    RPL_ENDOFINVITELIST = "337";
    /// `<client> <nick> [<address>] :text` (Modern).
    RPL_WHOISACTUALLY = "338";
    /// `<client> <nick> <channel>`: Modern's order, and what servers send.
    RPL_INVITING = "341";
    /// `<client> <channel> <mask> [<who> <Unix time>]`.
    RPL_INVEXLIST = "346";
    /// `<client> <channel> :text`.
    RPL_ENDOFINVEXLIST = "347";
    /// `<client> <channel> <mask> [<who> <Unix time>]`.
    RPL_EXCEPTLIST = "348";
    /// `<client> <channel> :text`.
    RPL_ENDOFEXCEPTLIST = "349";
    /// `<client> <version> <server> :comments`.
    RPL_VERSION = "351";
    /// `<client> <channel> <user> <host> <server> <nick> <flags> :<hops> <real name>`.
    RPL_WHOREPLY = "352";
    /// `<client> (=|@|*) <channel> :[<prefix>]<nick> ...`: public, secret, private.
    RPL_NAMREPLY = "353";
    /// `<client> <fields that were asked for> ...` (WHOX).
    RPL_WHOSPCRPL = "354";
    /// `<client> <server> <uplink> :<hops> <what the server is>`.
    RPL_LINKS = "364";
    /// `<client> <mask> :text`.
    RPL_ENDOFLINKS = "365";
    /// `<client> <channel> :text`.
    RPL_ENDOFNAMES = "366";
    /// `<client> <channel> <mask> [<who> <Unix time>]`.
    RPL_BANLIST = "367";
    /// `<client> <channel> :text`.
    RPL_ENDOFBANLIST = "368";
    /// `<client> <nick> :text`.
    RPL_ENDOFWHOWAS = "369";
    /// `<client> :text`.
    RPL_INFO = "371";
    /// `<client> :- line`.
    RPL_MOTD = "372";
    /// `<client> :text`.
    RPL_ENDOFINFO = "374";
    /// `<client> :- <server> Message of the day -`.
    RPL_MOTDSTART = "375";
    /// `<client> :text`.
    RPL_ENDOFMOTD = "376";
    /// `<client> <nick> :text` with where they come from (Modern).
    RPL_WHOISHOST = "378";
    /// `<client> <nick> :text` with their modes (Modern).
    RPL_WHOISMODES = "379";
    /// `<client> :text`.
    RPL_YOUREOPER = "381";
    /// `<client> <file> :text`.
    RPL_REHASHING = "382";
    /// `<client> <server> [<Unix time> [<offset>]] :time for people`.
    RPL_TIME = "391";
    /// `<client> :text`.
    RPL_USERSSTART = "392";
    /// `<client> :<user> <terminal> <host>`.
    RPL_USERS = "393";
    /// `<client> :text`.
    RPL_ENDOFUSERS = "394";
    /// `<client> :text`.
    RPL_NOUSERS = "395";
    /// `<client> <host> :text`: others see you with it now.
    RPL_VISIBLEHOST = "396";
    /// `<client> <command> ... :text`: no other numeric fits (Modern).
    ERR_UNKNOWNERROR = "400";
    /// `<client> <nick or channel> :text`.
    ERR_NOSUCHNICK = "401";
    /// `<client> <server> :text`.
    ERR_NOSUCHSERVER = "402";
    /// `<client> <channel> :text`.
    ERR_NOSUCHCHANNEL = "403";
    /// `<client> <channel> :text`.
    ERR_CANNOTSENDTOCHAN = "404";
    /// `<client> <channel> :text`.
    ERR_TOOMANYCHANNELS = "405";
    /// `<client> <nick> :text`.
    ERR_WASNOSUCHNICK = "406";
    /// `<client> <target> :text`.
    ERR_TOOMANYTARGETS = "407";
    /// `<client> :text`: PING or PONG without a word.
    ERR_NOORIGIN = "409";
    /// `<client> <subcommand> :text` (IRCv3 capability-negotiation).
    ERR_INVALIDCAPCMD = "410";
    /// `<client> :text` with the command.
    ERR_NORECIPIENT = "411";
    /// `<client> :text`.
    ERR_NOTEXTTOSEND = "412";
    /// `<client> <mask> :text`.
    ERR_NOTOPLEVEL = "413";
    /// `<client> <mask> :text`.
    ERR_WILDTOPLEVEL = "414";
    /// `<client> <mask> :text`.
    ERR_BADMASK = "415";
    /// `<client> <command> [<mask>] :text`.
    ERR_TOOMANYMATCHES = "416";
    /// `<client> :text`: the line exceeds its bound (Modern, message-tags).
    ERR_INPUTTOOLONG = "417";
    /// `<client> <command> :text`.
    ERR_UNKNOWNCOMMAND = "421";
    /// `<client> :text`.
    ERR_NOMOTD = "422";
    /// `<client> <server> :text`.
    ERR_NOADMININFO = "423";
    /// `<client> :text`.
    ERR_FILEERROR = "424";
    /// `<client> :text`.
    ERR_NONICKNAMEGIVEN = "431";
    /// `<client> <nick> :text`.
    ERR_ERRONEUSNICKNAME = "432";
    /// `<client> <nick> :text`.
    ERR_NICKNAMEINUSE = "433";
    /// `<client> <nick> :text`.
    ERR_NICKCOLLISION = "436";
    /// `<client> <nick or channel> :text`.
    ERR_UNAVAILRESOURCE = "437";
    /// `<client> <nick> <channel> :text`.
    ERR_USERNOTINCHANNEL = "441";
    /// `<client> <channel> :text`.
    ERR_NOTONCHANNEL = "442";
    /// `<client> <nick> <channel> :text`.
    ERR_USERONCHANNEL = "443";
    /// `<client> <user> :text`.
    ERR_NOLOGIN = "444";
    /// `<client> :text`.
    ERR_SUMMONDISABLED = "445";
    /// `<client> :text`.
    ERR_USERSDISABLED = "446";
    /// `<client> :text`.
    ERR_NOTREGISTERED = "451";
    /// `<client> <command> :text`.
    ERR_NEEDMOREPARAMS = "461";
    /// `<client> :text`.
    ERR_ALREADYREGISTERED = "462";
    /// `<client> :text`.
    ERR_NOPERMFORHOST = "463";
    /// `<client> :text`.
    ERR_PASSWDMISMATCH = "464";
    /// `<client> :text`.
    ERR_YOUREBANNEDCREEP = "465";
    /// `<client>`.
    ERR_YOUWILLBEBANNED = "466";
    /// `<client> <channel> :text`.
    ERR_KEYSET = "467";
    /// `<client> :text`.
    ERR_INVALIDUSERNAME = "468";
    /// `<client> <channel> :text`.
    ERR_CHANNELISFULL = "471";
    /// `<client> <letter> :text`.
    ERR_UNKNOWNMODE = "472";
    /// `<client> <channel> :text`.
    ERR_INVITEONLYCHAN = "473";
    /// `<client> <channel> :text`.
    ERR_BANNEDFROMCHAN = "474";
    /// `<client> <channel> :text`.
    ERR_BADCHANNELKEY = "475";
    /// `<channel> :text` in RFC 2812, `<client> <channel> :text` in practice.
    ERR_BADCHANMASK = "476";
    /// `<client> <channel> :text`.
    ERR_NOCHANMODES = "477";
    /// `<client> <channel> <letter> :text`.
    ERR_BANLISTFULL = "478";
    /// `<client> :text`: for operators.
    ERR_NOPRIVILEGES = "481";
    /// `<client> <channel> :text`.
    ERR_CHANOPRIVSNEEDED = "482";
    /// `<client> :text`.
    ERR_CANTKILLSERVER = "483";
    /// `<client> :text`.
    ERR_RESTRICTED = "484";
    /// `<client> :text`.
    ERR_UNIQOPRIVSNEEDED = "485";
    /// `<client> :text`.
    ERR_NOOPERHOST = "491";
    /// `<client> :text`.
    ERR_UMODEUNKNOWNFLAG = "501";
    /// `<client> :text`.
    ERR_USERSDONTMATCH = "502";
    /// `<client> <subject> :text` (Modern).
    ERR_HELPNOTFOUND = "524";
    /// `<client> <channel> :text` (Modern).
    ERR_INVALIDKEY = "525";
    /// `<client> :text` (Modern).
    RPL_STARTTLS = "670";
    /// `<client> <nick> :text` (Modern).
    RPL_WHOISSECURE = "671";
    /// `<client> :text` (Modern).
    ERR_STARTTLS = "691";
    /// `<client> <target> <letter> <argument> :text` (Modern).
    ERR_INVALIDMODEPARAM = "696";
    /// `<client> <subject> :first line` (Modern).
    RPL_HELPSTART = "704";
    /// `<client> <subject> :line` (Modern).
    RPL_HELPTXT = "705";
    /// `<client> <subject> :last line` (Modern).
    RPL_ENDOFHELP = "706";
    /// `<client> <privilege> :text` (Modern).
    ERR_NOPRIVS = "723";
    /// `<client> :<nick>!<user>@<host>, with commas` (IRCv3 monitor).
    RPL_MONONLINE = "730";
    /// `<client> :<nick>, with commas` (IRCv3 monitor).
    RPL_MONOFFLINE = "731";
    /// `<client> :<nick>, with commas` (IRCv3 monitor).
    RPL_MONLIST = "732";
    /// `<client> :text` (IRCv3 monitor).
    RPL_ENDOFMONLIST = "733";
    /// `<client> <limit> <nick>, with commas :text` (IRCv3 monitor).
    ERR_MONLISTFULL = "734";
    /// `<client> <nick>!<user>@<host> <account> :text` (IRCv3 sasl).
    RPL_LOGGEDIN = "900";
    /// `<client> <nick>!<user>@<host> :text` (IRCv3 sasl).
    RPL_LOGGEDOUT = "901";
    /// `<client> :text` (IRCv3 sasl).
    ERR_NICKLOCKED = "902";
    /// `<client> :text` (IRCv3 sasl).
    RPL_SASLSUCCESS = "903";
    /// `<client> :text` (IRCv3 sasl).
    ERR_SASLFAIL = "904";
    /// `<client> :text`: more than 400 bytes at once (IRCv3 sasl).
    ERR_SASLTOOLONG = "905";
    /// `<client> :text` (IRCv3 sasl).
    ERR_SASLABORTED = "906";
    /// `<client> :text` (IRCv3 sasl).
    ERR_SASLALREADY = "907";
    /// `<client> <mechanisms, with commas> :text` (IRCv3 sasl).
    RPL_SASLMECHS = "908";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numerics_are_three_digits_and_each_stands_once_in_order() {
        let codes: Vec<u16> = ALL.iter().map(|(_, numeric)| numeric.0.parse().unwrap()).collect();
        assert!(codes.is_sorted_by(|one, next| one < next), "{codes:?}");
        assert!(ALL.iter().all(|(_, numeric)| numeric.code().len() == 3));
        assert_eq!(RPL_WELCOME.to_string(), "001");
    }

    /// Errors stand between 400 and 599 (RFC 2812 section 5.2); later ones where there was room.
    #[test]
    fn replies_and_errors_are_named_by_their_range() {
        for (name, numeric) in ALL {
            let is_error = name.starts_with("ERR_");
            match &numeric.code()[..1] {
                "0" | "2" | "3" => assert!(!is_error, "{name}"),
                "4" | "5" => assert!(is_error, "{name}"),
                _ => assert!(is_error || name.starts_with("RPL_"), "{name}"),
            }
        }
    }
}
